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
from albumlib.evaluation.metrics import MetricsError
from albumlib.studies import ablations, latent_steps
from albumlib.studies.ablations import MapCritic, measure
from albumlib.studies.legacy2021 import BUGS, DIFFERENCES, ORDERS
from albumlib.studies.records import REAL, STRIP, read_measured
from albumlib.studies.setup import Setup, enlarge, shrink

COUNT = 72  # covers, of which two in three are for testing


def random_covers(count: int) -> CoverSet:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    images = small.repeat(8, axis=1).repeat(8, axis=2)
    table = pd.DataFrame({f.name: rng.uniform(f.low, f.high, count) for f in features.FEATURES})
    table["split"] = np.where(np.arange(count) % 3 == 0, "train", "test")
    return CoverSet(images, table, table, {})


@pytest.fixture(scope="module")
def setup() -> Setup:
    return Setup.of(random_covers(COUNT))


def test_covers_are_shrunk_by_means_and_enlarged_for_the_regressor(setup):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    means = pixels.reshape(3, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(shrink(pixels) - means).max() <= 0.5 + 1e-3
    assert setup.train.shape == (24, 32, 32, 3) and setup.heldout.shape == (48, 32, 32, 3)
    assert enlarge(setup.train, 64).shape == (24, 64, 64, 3)
    assert enlarge(pixels, 64) is pixels
    plain = np.full((1, 32, 32, 3), 77, np.uint8)
    assert (enlarge(plain, 64) == 77).all()


def test_covers_are_compared_with_others_than_those_whose_labels_they_were_given(setup):
    asked, against = setup.bench.partings[0]
    assert len(asked) == len(against) == 24 and not set(asked) & set(against)
    assert np.array_equal(setup.asked, setup.known[asked])
    found, real = setup.numbers(setup.heldout[asked]), setup.references()
    assert real["n"] == 24 and set(real) == {"n", *found, *(f"{name}_spread" for name in found)}
    assert {"fd", "kid", "coverage", "edge_energy", "swd", "label_r2", "label_r2_shuffled"} <= set(
        found
    )
    assert abs(found["fd"] - real["fd"]) < 4 * real["fd_spread"]


def test_label_recovery_is_of_the_labels_that_were_asked_for(setup, monkeypatch):
    read = setup.asked + np.random.default_rng(2).normal(0, 0.1, setup.asked.shape)
    sample = setup.bench.sample(np.zeros((24, 32, 32, 3), np.uint8))
    monkeypatch.setitem(setup.bench.instruments, "labels", lambda pixels: read)
    found = setup.numbers(sample.pixels)
    expected = label_recovery.label_recovery(read, setup.asked).mean(sample.shown)
    assert (found["label_correlation"], found["label_r2"]) == expected
    assert found["label_r2"] > 0.5 > found["label_r2_shuffled"]


def test_a_set_with_few_test_covers_is_compared_with_all_that_there_are():
    covers = random_covers(50)  # 33 of the split test, as many that no model learns from
    setup = Setup.of(covers, conditional=False)
    assert len(setup.heldout) == 50 and "label_r2" not in setup.references()
    few = Setup.of(random_covers(20), conditional=False)
    assert {"fd", "coverage"} <= set(few.numbers(few.bench.asked.pixels))
    with pytest.raises(MetricsError, match="10 test covers are too few"):
        _ = Setup.of(random_covers(10), conditional=False).bench


def test_an_experiment_goes_on_where_it_was_stopped(setup, tmp_path):
    class Stopped(Exception):
        pass

    def stop(what, done, total):
        raise Stopped

    run = partial(measure, "ladder", setup, tmp_path, [1, 2], 16, ("2021", "no projection"))
    with pytest.raises(Stopped):
        run(progress=stop)
    first = read_measured(tmp_path / "ladder.jsonl")
    assert [record["build"] for record in first] == [REAL, "2021"]
    records = run()
    assert records[:2] == first
    runs = [(record["seed"], record["build"]) for record in records[1:]]
    assert runs == [(seed, name) for seed in (1, 2) for name in ("2021", "no projection")]
    assert run() == records
    assert {record["images"] for record in records[1:]} == {16}
    with Image.open(tmp_path / "ladder" / "2021.png") as strip:
        assert strip.size == (32 * STRIP, 32)


def test_the_same_seed_gives_the_same_numbers(setup):
    (first, covers), (again, same) = (
        next(ablations.climb(setup, 3, 32, ["Wasserstein loss"])) for _ in range(2)
    )
    assert {**first, "seconds": 0} == {**again, "seconds": 0}
    assert np.array_equal(covers, same)
    assert list(ablations.STEPS) == ["2021", *DIFFERENCES]


def test_latent_steps_are_measured_after_equal_covers_and_after_equal_time(setup, monkeypatch):
    cost = {"off": 0.01, "gd": 0.03, "ngd, detached": 0.02, "ngd": 0.03}
    monkeypatch.setattr(latent_steps, "seconds_a_step", lambda *_: cost)
    found = [record for record, _ in latent_steps.logan(setup, 1, 32, ["off", "ngd"])]
    for record in found:
        assert record["images"] == 32
        assert {"fd", "kid", "coverage", "fd_later", "kid_later", "seconds"} <= set(record)
    off, ngd = found
    assert (off["images_later"], ngd["images_later"]) == (96, 32)
    assert ngd["fd"] == ngd["fd_later"]
    assert (off["seconds"], ngd["seconds"]) == (pytest.approx(0.02), pytest.approx(0.06))


def test_time_is_taken_by_turns(setup, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(latent_steps.time, "process_time", lambda: next(ticks) / 100)
    configs = {name: latent_steps.config_of(name, 1) for name in ("off", "gd")}
    cost = latent_steps.seconds_a_step(setup, configs, rounds=1)
    assert cost == {"off": pytest.approx(0.01), "gd": pytest.approx(0.01)}


def searched(best: dict[str, float], name: str = "gd") -> list[dict]:
    """Trials as they would stand on file if the distance grew with the way from `best`."""
    records: list[dict] = []
    while missing := latent_steps.trials(records, name)[1]:
        for settings, seed in missing:
            far = sum(abs(np.log(settings[key] + 0.01) - np.log(best[key] + 0.01)) for key in best)
            records.append({"build": name, **settings, "seed": seed, "fd": far})
    return records


def test_settings_are_searched_one_after_the_other():
    best = {"latent_rate": 9.0, "latent_weight": 0.0}
    records = searched(best)
    assert latent_steps.trials(records, "gd") == (best, [])
    assert len(records) == 2 * (3 + 2)  # each seed: three rates, then two more weights
    assert latent_steps.variants(records)["gd, tuned"] == best
    assert "gd, tuned" not in latent_steps.variants(records[:-2])  # not done yet
    usual = searched({"latent_rate": 0.9, "latent_weight": 0.1})
    assert list(latent_steps.variants(usual)) == list(latent_steps.METHODS)


def test_a_tuned_variant_is_trained_with_its_settings():
    tuned = latent_steps.config_of("gd, tuned", 1, {"latent_rate": 9.0})
    assert (tuned.latent_method, tuned.latent_rate, tuned.latent_every) == ("gd", 9.0, 1)


def test_a_search_goes_on_where_it_was_stopped(setup, monkeypatch):
    monkeypatch.setattr(latent_steps, "RANGES", {"gd": {"latent_rate": (0.9, 0.1)}})
    tried = [(0.9, 101), (0.9, 102), (0.1, 101), (0.1, 102)]
    records = list(latent_steps.search(setup, 16, []))
    assert [(record["latent_rate"], record["seed"]) for record in records] == tried
    rest = latent_steps.search(setup, 16, records[:3])
    assert [(record["latent_rate"], record["seed"]) for record in rest] == tried[3:]
    assert list(latent_steps.search(setup, 16, records)) == []


def test_every_order_begins_with_2021_and_repairs_each_difference_once():
    for order in ("ladder", "bugs_first", "choices_first"):
        assert ablations.steps(order)[0] == "2021"
        assert sorted(ablations.steps(order)[1:]) == sorted(DIFFERENCES)


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
    """Every seed of a build, and all builds, on equally many covers."""
    for name, (_, builds, _) in ablations.EXPERIMENTS.items():
        file = ablations.MEASURED / f"{name}.jsonl"
        if not file.exists():
            continue
        builds = ablations.latent_variants() if name == "logan" else builds
        records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        assert records[0]["build"] == REAL
        seeds = {record["seed"] for record in records[1:]}
        runs = sorted((record["build"], record["seed"]) for record in records[1:])
        assert runs == sorted((build, seed) for build in builds for seed in seeds)
        assert len({record["images"] for record in records[1:]}) == 1
        strips = {strip.stem for strip in file.with_suffix("").glob("*.png")}
        assert strips <= set(builds)  # a chapter shows covers of some or of none


def test_covers_of_each_step_and_of_each_bug_come_with_the_course():
    for name, builds in {"ladder": ablations.STEPS, "bugs_alone": ("no bug", *BUGS)}.items():
        assert all((ablations.MEASURED / name / f"{build}.png").exists() for build in builds)


def test_the_orders_on_file_are_of_the_same_runs_where_they_meet():
    """The first variant and the last; and the last is what `bugs_alone` calls no bug."""
    found = {}
    for name in (*ORDERS, "bugs_alone"):
        rows = read_measured(ablations.MEASURED / f"{name}.jsonl")
        found[name] = {(row["build"], row.get("seed")): row["label_correlation"] for row in rows}
    for seed in (1, 2, 3):
        assert len({found[order]["2021", seed] for order in ORDERS}) == 1
        last = {found[order][ORDERS[order][-1], seed] for order in ORDERS}
        assert last == {found["bugs_alone"]["no bug", seed]}
