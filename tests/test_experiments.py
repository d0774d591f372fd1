"""Experiments in small: what is measured is what it says, and a stopped one goes on."""

import itertools
import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from albumlib import experiments, features, recovery
from albumlib.build2021 import FAULTS
from albumlib.coverset import CoverSet
from albumlib.experiments import Ground, MapCritic, enlarge, measure, read_measured, shrink

COUNT = 48


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(experiments, "COUNT", COUNT)


@pytest.fixture
def ground() -> Ground:
    """Random covers of 64 px; a third is held out."""
    dice = np.random.default_rng(0)
    small = dice.integers(0, 256, (COUNT, 8, 8, 3), dtype=np.uint8)
    images = small.repeat(8, axis=1).repeat(8, axis=2)
    table = pd.DataFrame({f.name: dice.uniform(f.low, f.high, COUNT) for f in features.FEATURES})
    table["split"] = np.where(np.arange(COUNT) % 3 == 0, "heldout", "train")
    return Ground.of(CoverSet(images, table, table, {}))


def test_covers_are_shrunk_by_means_and_enlarged_for_the_judge(ground):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    means = pixels.reshape(3, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(shrink(pixels) - means).max() <= 0.5 + 1e-3
    assert ground.train.shape == (32, 32, 32, 3) and ground.heldout.shape == (16, 32, 32, 3)
    assert enlarge(ground.train, 64).shape == (32, 64, 64, 3)
    assert enlarge(pixels, 64) is pixels
    plain = np.full((1, 32, 32, 3), 77, np.uint8)
    assert (enlarge(plain, 64) == 77).all()


def test_obedience_is_label_recovery_over_what_can_be_read(ground, monkeypatch):
    wanted = np.resize(ground.asked, (40, 10))
    read = wanted + np.random.default_rng(2).normal(0, 0.1, wanted.shape)
    monkeypatch.setattr(recovery, "read_labels", lambda judge, pixels: read)
    seen = np.arange(10) < 3
    vars(ground)["recoverable"] = seen
    found = ground.obedience(np.zeros((40, 32, 32, 3), np.uint8))
    expected = recovery.label_recovery(read, wanted).mean(seen)
    assert (found["label_correlation"], found["label_r2"]) == expected
    control = recovery.shuffled_recovery(read, wanted).mean(seen)
    assert found["label_r2_shuffled"] == control[1] and found["label_r2"] > 0.9


def test_an_experiment_goes_on_where_it_was_stopped(ground, tmp_path):
    class Stopped(Exception):
        pass

    def stop(what, done, total):
        raise Stopped

    run = partial(measure, "ladder", ground, tmp_path, [1, 2], 16, ("2021", "no projection"))
    with pytest.raises(Stopped):
        run(progress=stop)
    first = read_measured(tmp_path / "ladder.jsonl")
    assert [record["build"] for record in first] == [experiments.REAL, "2021"]
    records = run()
    assert records[:2] == first
    runs = [(record["seed"], record["build"]) for record in records[1:]]
    assert runs == [(seed, name) for seed in (1, 2) for name in ("2021", "no projection")]
    assert run() == records
    assert {record["images"] for record in records[1:]} == {16}
    with Image.open(tmp_path / "ladder" / "2021.png") as strip:
        assert strip.size == (32 * experiments.STRIP, 32)


def test_the_same_seed_gives_the_same_numbers(ground):
    (first, covers), (again, same) = (
        next(experiments.climb(ground, 3, 32, ["score means"])) for _ in range(2)
    )
    assert {**first, "seconds": 0} == {**again, "seconds": 0}
    assert np.array_equal(covers, same)
    assert list(experiments.RUNGS) == ["2021", *FAULTS]


def test_latent_steps_are_judged_after_equal_covers_and_after_equal_seconds(ground, monkeypatch):
    monkeypatch.setattr(experiments, "_seconds_a_step", lambda *_: 0.05)
    ticks = itertools.count()  # a clock that no other process slows
    monkeypatch.setattr(experiments.time, "process_time", lambda: next(ticks) / 100)
    found = [record for record, _ in experiments.logan(ground, 1, 32, ["off", "ngd"])]
    for record in found:
        assert record["images"] == 32 < record["images_later"]
        assert {"swd", "kid", "swd_later", "kid_later", "seconds"} <= set(record)


def test_three_ways_of_conditioning_train(ground):
    found = [record for record, _ in experiments.conditioning(ground, 1, 32)]
    assert [record["build"] for record in found] == ["concatenation", "ACGAN", "ours"]
    assert all(np.isfinite(record["label_r2"]) for record in found)


def test_the_critic_of_concatenation_sees_labels_in_the_picture():
    torch.manual_seed(0)
    critic = MapCritic(10, 4)
    covers = torch.zeros(2, 3, 32, 32)
    scores = [critic(covers, torch.full((2, 10), value))[0] for value in (0.0, 1.0)]
    assert scores[0].shape == (2,) and not torch.allclose(*scores)


def test_what_comes_with_the_course_is_complete():
    """Three seeds of every build, on equally many covers."""
    for name, (_, builds, _) in experiments.EXPERIMENTS.items():
        file = experiments.MEASURED / f"{name}.jsonl"
        records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        assert records[0]["build"] == experiments.REAL
        runs = sorted((record["build"], record["seed"]) for record in records[1:])
        assert runs == sorted((build, seed) for build in builds for seed in (1, 2, 3))
        assert len({record["images"] for record in records[1:]}) == 1
        assert all((file.with_suffix("") / f"{build}.png").exists() for build in builds)
