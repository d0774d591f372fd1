"""Measures that see: damage of every kind is noticed, a perfect generator is not blamed, and an
early model is told from real covers at a glance. All on covers of 64 px."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from albumlib import AlbumlibError
from albumlib.__main__ import app
from albumlib.evaluation import instruments, perfect, scorecard, two_sample
from albumlib.evaluation.metrics import MetricsError
from albumlib.evaluation.scorecard import Bench, Measure, Score
from albumlib.models.checkpoint import load_generator
from albumlib.runtime.paths import PRETRAINED
from albumlib.sampling.latent import generated
from albumlib.sources.imprint.imprint import Imprint
from tests.benchmarks import damage
from tests.benchmarks.sanity import cover_set, steps_for, without_network

TRAIN, TEST = 200, 700


@pytest.fixture(scope="module")
def imprint():
    return Imprint(2021, albums=10**9, corruption=0, text=True)


@pytest.fixture(scope="module")
def covers(imprint):
    return cover_set(imprint, TRAIN, TEST)


@pytest.fixture(scope="module")
def bench(covers, imprint):
    found = instruments.instruments_for(covers, imprint, imagenet=False)
    rows = covers.rows("test")
    return without_network(Bench.of(covers.images[rows], covers.labels[rows], found))


SATURATES = {"layout_rarest"}  # at 0 when one family is gone
SEES = {  # by kind of damage: the numbers that notice, and the instruments that these need
    "blur, pixels": (("edge_energy", "two_sample_spectrum"), {"spectrum", "grain"}),
    "grain removed": (("grain_energy",), {"spectrum", "grain"}),
    "text smeared": (("text_read", "edge_energy"), {"text", "spectrum", "grain"}),
    "quarters shuffled": (("layout_recognised", "fd", "precision"), {"layouts", "own"}),
    "layout families dropped": (("layout_balance", "layout_rarest"), {"layouts"}),
    "copies mixed in": (("near_duplicates",), {"near"}),
    "hue shifted, degrees": (("label_r2", "fd"), {"labels", "own"}),
    "labels permuted": (("label_r2",), {"labels"}),
}


@pytest.fixture(scope="module")
def climbed(bench, covers, imprint):
    found = {}
    for kind, strengths in steps_for(bench, covers, imprint).items():
        used = SEES[kind][1]
        some = dataclasses.replace(
            bench,
            instruments={name: bench.instruments[name] for name in used},
            measures=tuple(measure for measure in bench.measures if measure.needs in used),
        )
        for _, strength, scores in damage.climb(some, {kind: strengths}):
            found.setdefault(kind, {})[strength] = scores
    return found


@pytest.mark.parametrize("kind", SEES)
def test_every_damage_is_seen_and_the_more_the_stronger(kind, climbed):
    for name in SEES[kind][0]:
        away = [abs(scores[name].away) for scores in climbed[kind].values()]
        assert name in SATURATES or away == sorted(away), (name, away)
        assert away[-1] > 3, (name, away)
    weakest = next(iter(climbed[kind].values()))
    assert max(abs(score.away) for score in weakest.values()) > 3


def test_a_perfect_generator_is_within_two_spreads_of_real_covers(bench, covers, imprint):
    """One parting of one drawing varies by a spread, so that of fifteen numbers one is often beyond
    two: each is averaged over the partings that its reference is averaged over."""
    albums = perfect.numbers(covers, covers.rows("test"))
    redrawn = perfect.redrawn(imprint, albums, covers.size, seed=1)
    sample = dataclasses.replace(bench.real, pixels=redrawn, seen={}).through(bench.instruments)
    found: dict[str, float] = {}
    for measure in bench.measures:
        partings = bench.partings[: measure.draws]
        parted = [measure.of(sample.rows(ours), bench.real.rows(rest)) for ours, rest in partings]
        found |= pd.DataFrame(parted).mean().to_dict()
    references = {name: bench.references[name] for name in found}
    away = {name: (found[name] - mean) / spread for name, (mean, spread) in references.items()}
    assert {name: round(z, 2) for name, z in away.items() if abs(z) > 2} == {}
    assert len(away) == 16


def test_an_early_model_is_told_from_real_covers_at_a_glance(bench):
    """It has learned covers without names; these have some."""
    generator = load_generator(PRETRAINED / "acgan_wgan_logan.safetensors")
    pixels = generated(generator, bench.asked.asked)
    scores = bench.scores(bench.sample(pixels))
    for name in ("layout_recognised", "text_read", "edge_energy", "label_r2"):
        assert scores[name].away < -3, name
    assert scores["two_sample_spectrum"].value > 0.65
    assert two_sample.by_network(pixels, bench.against.pixels, steps=100) > 0.6


def test_what_an_ocr_engine_reads_is_a_score(bench, covers):
    pytest.importorskip("rapidocr")
    table = covers.table.assign(artist="")
    known = dataclasses.replace(covers, table=table)
    blank = bench.sample(np.zeros_like(bench.asked.pixels))
    score = instruments.ocr_score(bench, known, blank, most=12)
    assert score.value == 0 <= score.real and score.spread >= 1 / 12 and score.perfect is None


def written(covers, folder, count=120):
    """A cover set on disk: some training covers and `count` to test on."""
    rows = np.r_[covers.rows("train")[:60], covers.rows("test")[:count]]
    folder.mkdir()
    np.save(folder / "images.npy", covers.images[rows])
    covers.table.iloc[rows].to_parquet(folder / "table.parquet")
    covers.table.assign(row=0).to_parquet(folder / "tracks.parquet")
    (folder / "manifest.json").write_text(json.dumps({"size": 64, "source": "imprint, law 2"}))
    return folder


def test_the_command_prints_a_table_and_writes_one_flat_object(covers, tmp_path, monkeypatch):
    fast = tuple(m for m in scorecard.MEASURES if m.needs not in ("pixels", "labels"))
    monkeypatch.setattr(scorecard, "MEASURES", fast)
    model, file = PRETRAINED / "acgan.safetensors", tmp_path / "found.json"
    arguments = [model, written(covers, tmp_path / "set"), "--no-imagenet", "--json", file]
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    assert result.exit_code == 0, result.stderr
    assert "layout_recognised" in result.stdout and "n = 60, of 120 test covers" in result.stdout
    found = json.loads(file.read_text())
    names = "layout_recognised layout_balance text_read edge_energy two_sample_spectrum fd kid"
    for name in names.split():
        assert {name, f"{name}_real", f"{name}_spread", f"{name}_perfect"} <= set(found)
    assert found["n"] == 60 and all(isinstance(value, int | float) for value in found.values())


def test_too_small_a_set_is_one_sentence(covers, tmp_path):
    model, data = PRETRAINED / "acgan.safetensors", written(covers, tmp_path / "set", 20)
    result = CliRunner().invoke(app, ["evaluate", str(model), str(data)])
    assert result.exit_code == 1 and "20 test covers are too few" in result.stderr


# How it is measured, on numbers


def numbers_bench(count=400, most=100, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    labels = np.zeros((count, 2), dtype=np.float32)
    near = {"near": lambda some: some[:, 0, 0, 0] > 127}
    return Bench.of(pixels, labels, near, most=most, measures=only("near"))


def only(instrument):
    """The measures that take this instrument."""
    return [measure for measure in scorecard.MEASURES if measure.needs == instrument]


def test_parts_are_disjoint_equal_and_no_larger_than_wanted():
    bench = numbers_bench()
    for first, second in bench.partings:
        assert len(first) == len(second) == 100 and not set(first) & set(second)
    assert len(bench.asked) == len(bench.against) == 100
    assert len(numbers_bench(most=10**6).asked) == 200


def test_scores_stand_beside_what_was_measured_of_the_perfect_generator():
    bench = numbers_bench()
    sample = bench.sample(bench.against.pixels)
    best = bench.numbers(bench.sample(bench.asked.pixels))
    assert bench.scores(sample, best)["near_duplicates"].perfect == best["near_duplicates"]
    assert bench.scores(sample)["near_duplicates"].perfect is None


def test_the_spread_is_that_of_fresh_covers():
    wanted = 0.5 * np.sqrt(1 / 100 + 1 / 400)  # of a proportion of a half, beside the whole
    found = [numbers_bench(seed=seed).references["near_duplicates"][1] for seed in range(12)]
    assert np.mean(found) == pytest.approx(wanted, rel=0.2)
    assert two_sample.chance_spread(100) == 0.05


def test_a_score_counts_its_spreads():
    assert Score(0.5, 0.9, 0.1).away == pytest.approx(-4)
    scores = {"fd": Score(2.0, 1.0, 0.5, 1.25), "kid": Score(0.1, 0.0, 0.1)}
    assert scorecard.flat(scores) == {
        "fd": 2.0, "fd_real": 1.0, "fd_spread": 0.5, "fd_perfect": 1.25,
        "kid": 0.1, "kid_real": 0.0, "kid_spread": 0.1,
    }  # fmt: skip
    lines = scorecard.table(scores).splitlines()
    assert lines[0].split() == ["model", "real", "spread", "away", "perfect"]
    assert lines[1].split() == ["fd", "2.000", "1.000", "0.5000", "2.0", "1.250"]
    assert scorecard.caution(5000) == "" and "1,000" in scorecard.caution(200)


def test_too_few_covers_are_refused():
    with pytest.raises(MetricsError, match="10 test covers are too few"):
        numbers_bench(count=10)


def test_labels_that_covers_do_not_show_are_left_out():
    rng = np.random.default_rng(0)
    labels = rng.uniform(-1, 1, (200, 3)).astype(np.float32)
    pixels = (127.5 * (labels[:, :1, None, None] + 1)).repeat(3, axis=3).astype(np.uint8)
    read = {"labels": lambda some: (some[:, 0, 0, [0]] / 127.5 - 1) * np.float32([1, 0, 0])}
    bench = Bench.of(pixels, labels, read, measures=only("labels"))
    assert bench.real.shown.tolist() == [True, False, False]
    assert bench.references["label_r2"][0] > 0.99
    assert bench.numbers(bench.sample(bench.asked.pixels[::-1]))["label_r2"] < 0


def test_the_imprint_of_a_set_is_known_by_its_source_and_titles(covers, imprint):
    found = perfect.imprint_of(covers)
    assert (found.text, found.seed) == (True, 2021)
    other = dataclasses.replace(covers, manifest={"source": "tables"})
    assert perfect.imprint_of(other) is None
    former = dataclasses.replace(covers, manifest={"source": "imprint"})
    with pytest.raises(AlbumlibError, match="first law: gather them anew"):
        perfect.imprint_of(former)
    settings = {"source_settings": {"seed": 7, "corruption": 0.0}}
    other = dataclasses.replace(covers, manifest=covers.manifest | settings)
    with pytest.raises(AlbumlibError, match="not of the imprint with seed 7"):
        perfect.imprint_of(other)


def test_a_measure_asks_for_its_instrument_alone():
    assert {measure.needs for measure in scorecard.MEASURES} == {
        "labels", "layouts", "text", "spectrum", "pixels", "imagenet", "own", "near",
    }  # fmt: skip
    assert Measure("own", lambda x, y: {}).draws > 1
