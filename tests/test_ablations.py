"""Experiments in small: what is measured is what it says, and a stopped one goes on."""

import itertools
import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from albumlib import features
from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation import label_recovery
from albumlib.studies import ablations
from albumlib.studies.ablations import MapCritic, Setup, enlarge, measure, read_measured, shrink
from albumlib.studies.legacy2021 import BUGS, DIFFERENCES

COUNT = 48


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(ablations, "COUNT", COUNT)


@pytest.fixture
def setup() -> Setup:
    """Random covers of 64 px; a third is held out."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (COUNT, 8, 8, 3), dtype=np.uint8)
    images = small.repeat(8, axis=1).repeat(8, axis=2)
    table = pd.DataFrame({f.name: rng.uniform(f.low, f.high, COUNT) for f in features.FEATURES})
    table["split"] = np.where(np.arange(COUNT) % 3 == 0, "test", "train")
    return Setup.of(CoverSet(images, table, table, {}))


def test_covers_are_shrunk_by_means_and_enlarged_for_the_judge(setup):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    means = pixels.reshape(3, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(shrink(pixels) - means).max() <= 0.5 + 1e-3
    assert setup.train.shape == (32, 32, 32, 3) and setup.heldout.shape == (16, 32, 32, 3)
    assert enlarge(setup.train, 64).shape == (32, 64, 64, 3)
    assert enlarge(pixels, 64) is pixels
    plain = np.full((1, 32, 32, 3), 77, np.uint8)
    assert (enlarge(plain, 64) == 77).all()


def test_what_is_recovered_is_label_recovery_over_what_can_be_read(setup, monkeypatch):
    wanted = np.resize(setup.asked, (40, 10))
    read = wanted + np.random.default_rng(2).normal(0, 0.1, wanted.shape)
    monkeypatch.setattr(label_recovery, "predict_labels", lambda regressor, pixels: read)
    seen = np.arange(10) < 3
    vars(setup)["recoverable"] = seen
    found = setup.recovered(np.zeros((40, 32, 32, 3), np.uint8))
    expected = label_recovery.label_recovery(read, wanted).mean(seen)
    assert (found["label_correlation"], found["label_r2"]) == expected
    control = label_recovery.shuffled_recovery(read, wanted).mean(seen)
    assert found["label_r2_shuffled"] == control[1] and found["label_r2"] > 0.9


def test_an_experiment_goes_on_where_it_was_stopped(setup, tmp_path):
    class Stopped(Exception):
        pass

    def stop(what, done, total):
        raise Stopped

    run = partial(measure, "ladder", setup, tmp_path, [1, 2], 16, ("2021", "no projection"))
    with pytest.raises(Stopped):
        run(progress=stop)
    first = read_measured(tmp_path / "ladder.jsonl")
    assert [record["build"] for record in first] == [ablations.REAL, "2021"]
    records = run()
    assert records[:2] == first
    runs = [(record["seed"], record["build"]) for record in records[1:]]
    assert runs == [(seed, name) for seed in (1, 2) for name in ("2021", "no projection")]
    assert run() == records
    assert {record["images"] for record in records[1:]} == {16}
    with Image.open(tmp_path / "ladder" / "2021.png") as strip:
        assert strip.size == (32 * ablations.STRIP, 32)


def test_the_same_seed_gives_the_same_numbers(setup):
    (first, covers), (again, same) = (
        next(ablations.climb(setup, 3, 32, ["score means"])) for _ in range(2)
    )
    assert {**first, "seconds": 0} == {**again, "seconds": 0}
    assert np.array_equal(covers, same)
    assert list(ablations.STEPS) == ["2021", *DIFFERENCES]


def test_latent_steps_are_judged_after_equal_covers_and_after_equal_seconds(setup, monkeypatch):
    monkeypatch.setattr(ablations, "_seconds_a_step", lambda *_: 0.05)
    ticks = itertools.count()  # a clock that no other process slows
    monkeypatch.setattr(ablations.time, "process_time", lambda: next(ticks) / 100)
    found = [record for record, _ in ablations.logan(setup, 1, 32, ["off", "ngd"])]
    for record in found:
        assert record["images"] == 32 < record["images_later"]
        assert {"swd", "kid", "swd_later", "kid_later", "seconds"} <= set(record)


def test_each_bug_alone_is_trained_beside_the_variants_without_one(setup):
    found = [record["build"] for record, _ in ablations.alone(setup, 1, 16)]
    assert found[0] == "no bug" and found[-len(BUGS) :] == list(BUGS)


def test_three_ways_of_conditioning_train(setup):
    found = [record for record, _ in ablations.conditioning(setup, 1, 32)]
    assert [record["build"] for record in found] == ["concatenation", "ACGAN", "ours"]
    assert all(np.isfinite(record["label_r2"]) for record in found)


def test_the_critic_of_concatenation_sees_labels_in_the_picture():
    torch.manual_seed(0)
    critic = MapCritic(10, 4)
    covers = torch.zeros(2, 3, 32, 32)
    scores = [critic(covers, torch.full((2, 10), value))[0] for value in (0.0, 1.0)]
    assert scores[0].shape == (2,) and not torch.allclose(*scores)


def test_what_comes_with_the_course_is_complete():
    """Three seeds of every build, one of each bug alone, on equally many covers."""
    for name, (_, builds, _) in ablations.EXPERIMENTS.items():
        file = ablations.MEASURED / f"{name}.jsonl"
        records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        assert records[0]["build"] == ablations.REAL
        seeds = (1,) if name == "bugs_alone" else (1, 2, 3)
        runs = sorted((record["build"], record["seed"]) for record in records[1:])
        assert runs == sorted((build, seed) for build in builds for seed in seeds)
        assert len({record["images"] for record in records[1:]}) == 1
        assert all((file.with_suffix("") / f"{build}.png").exists() for build in builds)
