"""Differences between low and high: on covers whose differences are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation.metrics import MetricsError
from albumlib.features import NAMES
from albumlib.models.networks import Generator
from albumlib.sampling.request import Request, RequestError
from albumlib.sampling.selection import Selector, best_seeds
from albumlib.studies import real_covers as study
from albumlib.studies.real_covers import Sample, agreement, difference

N, D = 600, 16
ARTISTS = np.arange(N) // 2


def covers_of(direction: np.ndarray, strength: float, seed: int) -> tuple[Sample, np.ndarray]:
    """Covers that differ along `direction` with their only label."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=N)
    seen = rng.normal(size=(N, D)) + strength * values[:, None] * direction
    return Sample(values[:, None], seen, seen[:, :5], ARTISTS), values


ALONG, ACROSS = np.eye(D)[0], np.eye(D)[1]
REAL, VALUES = covers_of(ALONG, 1, 0)
OTHERS, THEIRS = covers_of(ALONG, 1, 1)
REFERENCE = difference(OTHERS.features, THEIRS)


@pytest.mark.parametrize(
    ("direction", "strength", "cosine", "size"),
    [(ALONG, 1, 1, 1), (ALONG, 0.5, 1, 0.5), (ALONG, -1, -1, -1), (ACROSS, 1, 0, 0)],
)
def test_direction_and_size_are_those_that_were_put_in(direction, strength, cosine, size):
    sample, labels = covers_of(direction, strength, 2)
    moved = difference(sample.features, labels)
    found = agreement(moved, REFERENCE, REAL, VALUES, 0)
    assert found["cosine"] == pytest.approx(cosine, abs=0.15)
    assert found["cosine_low"] < found["cosine"] < found["cosine_high"]
    assert found["size"] == pytest.approx(size, abs=0.15)


def test_where_real_covers_do_not_differ_there_is_no_size():
    nothing, values = covers_of(ALONG, 0, 3)
    other, labels = covers_of(ALONG, 0, 4)
    moved = difference(other.features, labels)
    assert "size" not in agreement(moved, -difference(nothing.features, values), nothing, values, 0)


def test_the_interval_covers_zero_for_covers_without_a_difference():
    """The share of intervals above zero is about 2.5 %."""
    above = 0
    for seed in range(40):
        real, values = covers_of(ALONG, 0, 100 + seed)
        above += agreement(ALONG, ALONG, real, values, seed)["cosine_low"] > 0
    assert above <= 4


def test_albums_of_one_artist_widen_the_interval():
    real, values = covers_of(ALONG, 1, 5)
    few = Sample(*(np.repeat(v[: N // 20], 20, axis=0) for v in (*vars(real).values(),)))
    wide = agreement(ALONG, ALONG, few, np.repeat(values[: N // 20], 20), 0)
    narrow = agreement(ALONG, ALONG, real, values, 0)
    width = [found["cosine_high"] - found["cosine_low"] for found in (wide, narrow)]
    assert width[0] > 2 * width[1]


def test_missing_values_are_in_neither_end():
    values = VALUES.copy()
    values[:300] = np.nan
    expected = difference(REAL.features[300:], VALUES[300:])
    assert difference(REAL.features, values) == pytest.approx(expected)
    drawn = study.resampled(REAL.features, values, ARTISTS, 0)
    assert drawn[0] == pytest.approx(expected)


def test_the_control_is_what_chance_reaches():
    rng = np.random.default_rng(0)
    control = study.permuted(OTHERS, THEIRS, ALONG, rng)
    assert 0.2 < control < 0.7  # 16 dimensions: 1.96 / 4


@pytest.fixture(scope="module")
def real():
    """Covers whose lightness is the energy of their song."""
    rng = np.random.default_rng(6)
    features = {name: rng.random(240) for name in NAMES}
    images = np.round(200 * features["energy"])[:, None, None, None] + rng.integers(
        0, 40, (240, 32, 32, 3)
    )
    table = pd.DataFrame(features).assign(
        loudness=-10.0, artist=[f"Artist {n // 2}" for n in range(240)],
        album_id=[f"album-{n}" for n in range(240)], year=pd.array(range(1960, 2200), "Int64") % 60
        + 1960, split=["train", "train", "test"] * 80,
    )  # fmt: skip
    return study.RealCovers(CoverSet(images.astype(np.uint8), table, table, {}), "own")


def test_references_of_covers_that_show_energy(real):
    table = real.table([real.train])
    assert table.loc["energy", "cosine_low"] > table.loc["energy", "cosine_permuted"] > 0
    assert table.loc["energy", "size"] == pytest.approx(1)
    assert "loudness" not in table.index and "year" in table.index  # one value throughout
    found = real.image_statistics()
    assert found.loc["energy", "lightness_low"] > 1.5
    assert found.loc["tempo", "lightness_low"] < 0 < found.loc["tempo", "lightness_high"]
    nearest = real.nearest()
    assert nearest.labels is real.held.labels and len(nearest.features) == 80


def test_a_model_that_knows_nothing_of_energy_is_compared(real):
    models = {"new": [Generator(32, labels=10, width=4), Generator(32, labels=10, width=4)]}
    found = study.compare(real, models, ["energy"])
    assert list(found) == ["looks", "real", "nearest", "new"]
    assert found["real"]["coverage"] > 0.8 > 0.5 > found["new"]["coverage"]
    assert found["new"]["fd"] > found["nearest"]["fd"] and found["new"]["fd_sd"] > 0
    keys = {"cosine_energy", "cosine_energy_permuted", "cosine_energy_least", "lightness_energy",
            "alone_cosine_energy_low", "unlabelled_fd"}  # fmt: skip
    assert keys <= set(found["new"])


def test_too_few_held_out_covers_are_told(real):
    rows = np.arange(12)
    table = pd.DataFrame({name: np.linspace(0, 1, 12) for name in NAMES}).assign(
        artist="A", album_id=rows.astype(str), split=["train", "test"] * 6
    )
    few = CoverSet(np.zeros((12, 32, 32, 3), np.uint8), table, table, {})
    with pytest.raises(MetricsError, match="too few"):
        study.RealCovers(few, "own")


def test_a_model_does_not_take_the_place_of_a_reference(real):
    with pytest.raises(MetricsError, match="cannot be called nearest"):
        study.compare(real, {"nearest": []})


def test_the_best_of_several_covers_shows_what_was_asked_for():
    """Features of which one shows a label, beside many that show nothing."""
    rng = np.random.default_rng(11)
    labels = rng.normal(size=(N, 3))
    labels[:250, 2] = np.nan
    seen = rng.normal(size=(N, D))
    seen[:, 0] += labels[:, 0]
    selector = Selector(seen, labels, ARTISTS)
    shown = {int(c): float(r) for one in selector.shown
             for c, r in zip(np.flatnonzero(one.columns), one.r2, strict=True)}  # fmt: skip
    assert shown[0] == pytest.approx(0.5, abs=0.1) and max(shown[1], shown[2]) < 0.05
    asked, candidates = rng.normal(size=(200, 3)), rng.normal(size=(200 * 8, D))
    asked[:50, 1] = np.nan
    rows = selector.best(candidates, asked)
    assert (rows // 8 == np.arange(200)).all()
    correlation = np.corrcoef(candidates[rows, 0], asked[:, 0])[0, 1]
    assert correlation > 0.8 > 0.2 > abs(np.corrcoef(candidates[rows, 1], asked[:, 0])[0, 1])


def test_where_nothing_is_shown_the_first_is_taken():
    rng = np.random.default_rng(12)
    selector = Selector(rng.normal(size=(N, D)), np.full((N, 2), np.nan), ARTISTS)
    assert selector.best(rng.normal(size=(12, D)), np.zeros((3, 2))).tolist() == [0, 4, 8]


def shaded(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Covers as light as values in [0, 1]."""
    shade = np.round(200 * values)[:, None, None, None]
    return (shade + rng.integers(0, 40, (len(values), 32, 32, 3))).astype(np.uint8)


def lightness_of(seeds) -> np.ndarray:
    return np.asarray(seeds) * 37 % 101 / 100


@pytest.fixture
def bright(monkeypatch):
    """A set of covers that show their energy as lightness, and a generator whose covers are as
    light as their seed says."""
    rng = np.random.default_rng(13)
    energy = rng.random(150)
    images = shaded(energy, rng)
    monkeypatch.setattr(Request, "draw", lambda self, _: shaded(lightness_of(self.seeds), rng))
    table = pd.DataFrame(dict.fromkeys(NAMES, np.nan), range(150)).assign(
        energy=energy, artist=[f"Artist {n // 2}" for n in range(150)],
        album_id=[f"album-{n}" for n in range(150)], split="train")  # fmt: skip
    return CoverSet(images, table, table, {}), Generator(32, labels=10, width=4)


@pytest.mark.parametrize("energy", [0.02, 0.98])
def test_the_best_seeds_are_those_that_show_the_energy(bright, energy):
    covers, generator = bright
    features = tuple(energy if name == "energy" else None for name in NAMES)
    request = Request((5, 6), features)
    chosen = best_seeds(generator, request, covers, 12)
    assert len(set(chosen.seeds)) == 2 and set(chosen.seeds) <= set(range(5, 29))
    assert lightness_of(chosen.seeds) == pytest.approx(energy, abs=0.15)


def test_covers_that_show_nothing_cannot_choose(bright):
    covers, generator = bright
    wanted = Request((1,), tuple(0.5 if name == "energy" else None for name in NAMES))
    noise = np.random.default_rng(14).integers(0, 256, covers.images.shape).astype(np.uint8)
    with pytest.raises(RequestError, match="150 training covers with labels show nothing"):
        best_seeds(generator, wanted, replace(covers, images=noise), 4)
    with pytest.raises(RequestError, match="nothing of the features that are asked for"):
        best_seeds(generator, Request((1,)), covers, 4)


def test_models_are_compared_by_the_best_of_several(real):
    found = study.compare(real, {"new": [Generator(32, labels=10, width=4)]}, candidates=2)
    assert {"new, best of 2", "new, best of 2, permuted"} <= set(found)
    assert found["new, best of 2"]["n"] == 80
