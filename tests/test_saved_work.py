"""What a training has saved stays good: through divergence, a full disk, a power cut, two processes
in one folder, settings and vocabularies that change.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from albumlib.__main__ import app
from albumlib.models import checkpoint, conditions, titles
from albumlib.models.checkpoint import NotFiniteError, read_tensors
from albumlib.training import resume
from albumlib.training.config import TrainingConfig, fields, recipe
from albumlib.training.loop import TrainingDiverged, TrainingError, read_records, train
from albumlib.training.trainer import Trainer
from tests.test_training import SMALL, covers_that_say_their_label, weights

PLAIN = TrainingConfig(steps=2, latent_method="off", **SMALL)


@pytest.fixture(scope="module")
def images():
    return covers_that_say_their_label(64)[0]


@pytest.fixture(scope="module")
def run(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    train(PLAIN, images, None, folder)
    return folder


@pytest.fixture
def trained(run, tmp_path):
    """A run of two steps."""
    return Path(shutil.copytree(run, tmp_path / "run"))


def spoil(path: Path) -> None:
    """Write NaN over the tensors of a checkpoint, as versions that did not look have saved."""
    _, about = read_tensors(path)
    broken = {name: tensor * torch.nan for name, tensor in load_file(path).items()}
    save_file(broken, path, metadata={"about": json.dumps(about)})


# Divergence -----------------------------------------------------------------------------------


def test_what_is_not_finite_is_not_saved(trained):
    before = {path: path.read_bytes() for path in trained.rglob("*.safetensors")}
    trainer = Trainer(PLAIN, None)
    with torch.no_grad():
        trainer.critic.score.weight.fill_(torch.inf)
    with pytest.raises(NotFiniteError, match="tensors are not finite"):
        trainer.save(trained)
    assert {path: path.read_bytes() for path in trained.rglob("*.safetensors")} == before


@pytest.mark.parametrize("save_every", [1, 100])
def test_a_diverged_run_promises_only_the_checkpoints_that_exist(images, tmp_path, save_every):
    wild = replace(PLAIN, steps=200, save_every=save_every, generator_rate=1e30, critic_rate=1e30)
    with pytest.raises(TrainingDiverged) as told:
        train(wild, images, None, tmp_path)
    kept = [*checkpoint.checkpoints(tmp_path)]
    assert ("nothing is saved" in str(told.value)) == (not kept)
    for path in kept:
        tensors, about = read_tensors(path)
        assert f"step {about['step']} ({path.parent})" in str(told.value)
        assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert (tmp_path / "generator.safetensors").exists() == bool(kept)


def test_ctrl_c_in_a_diverged_run_saves_nothing(images, trained):
    good = (trained / "training.safetensors").read_bytes()

    def diverge(record):
        raise KeyboardInterrupt

    wild = replace(PLAIN, steps=9, generator_rate=1e38, critic_rate=1e38)
    with (
        pytest.warns(UserWarning, match="rate is 1e"),
        pytest.raises(TrainingError, match="step 2"),
    ):
        train(wild, images, None, trained, progress=diverge)
    assert (trained / "training.safetensors").read_bytes() == good


def test_a_generator_that_is_not_finite_is_refused(trained):
    spoil(trained / "generator.safetensors")
    with pytest.raises(NotFiniteError, match=r"of \d+ tensors are not finite"):
        checkpoint.load_generator(trained)
    result = CliRunner().invoke(app, ["generate", str(trained), "--out", str(trained / "a.png")])
    assert result.exit_code == 1 and not (trained / "a.png").exists()
    assert result.stderr.startswith("error: ") and "not finite" in result.stderr


def test_rates_can_be_changed_after_a_divergence_and_it_is_said_and_recorded(images, trained):
    slower = replace(PLAIN, steps=4, generator_rate=1e-4, penalty=2.0)
    with pytest.warns(UserWarning) as told:
        train(slower, images, None, trained)
    assert sorted(str(one.message) for one in told) == [
        "from step 2 on generator_rate is 0.0001, until then 0.0005",
        "from step 2 on penalty is 2.0, until then 1.0",
    ]
    for name in ("training.safetensors", "generator.safetensors"):
        about = read_tensors(trained / name)[1]
        assert {"step": 2, "name": "penalty", "from": 1.0, "to": 2.0} in about["changes"]
        assert about["config"]["generator_rate"] == 1e-4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(replace(slower, steps=5), images, None, trained)
    assert len(read_tensors(trained / "training.safetensors")[1]["changes"]) == 2


def test_a_changed_rate_is_the_one_that_is_used(images, trained):
    slow = replace(PLAIN, steps=4, generator_rate=1e-30)
    with pytest.warns(UserWarning, match="generator_rate"):
        train(slow, images, None, trained)
    before, after = (
        checkpoint.part(read_tensors(path)[0], "generator")
        for path in checkpoint.checkpoints(trained)
    )
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_every_setting_that_may_change_exists():
    assert {one.name for one in fields(TrainingConfig)} >= resume.FREE | resume.CHANGEABLE


# The last two ---------------------------------------------------------------------------------


def steps_of(folder: Path) -> list[int]:
    return [read_tensors(path)[1]["step"] for path in checkpoint.checkpoints(folder)]


def test_the_last_two_checkpoints_are_kept(images, tmp_path):
    train(replace(PLAIN, steps=6, save_every=2), images, None, tmp_path)
    assert steps_of(tmp_path) == [6, 4]
    assert checkpoint.load_generator(tmp_path / "previous").size == 32
    train(replace(PLAIN, steps=6, save_every=2), images, None, tmp_path)  # nothing is left to do
    assert steps_of(tmp_path) == [6, 4]


@pytest.mark.parametrize("harm", [spoil, lambda path: path.write_bytes(b""), Path.unlink])
def test_a_run_goes_on_from_the_one_before_if_the_newest_is_damaged(images, tmp_path, harm):
    config = replace(PLAIN, steps=6, save_every=2)
    whole = train(config, images, None, tmp_path)
    harm(tmp_path / "training.safetensors")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        again = train(config, images, None, tmp_path)
    assert torch.equal(weights(whole), weights(again))
    assert steps_of(tmp_path)[0] == 6 and steps_of(tmp_path)[1] == 4
    assert [record["step"] for record in read_records(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert any("going on from the one before" in str(one.message) for one in told)


def test_a_run_that_begins_again_does_not_keep_the_former_runs_checkpoint(images, tmp_path):
    train(replace(PLAIN, steps=4, save_every=2), images, None, tmp_path)
    train(replace(PLAIN, steps=1), images, None, tmp_path, resume=False)
    assert steps_of(tmp_path) == [1]


# The disk -------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_checkpoint_as_it_was(images, trained, monkeypatch):
    before = {path: path.read_bytes() for path in trained.rglob("*.safetensors")}

    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            train(replace(PLAIN, steps=3), images, None, trained)
    assert {path: path.read_bytes() for path in trained.rglob("*.safetensors")} == before
    train(replace(PLAIN, steps=3), images, None, trained)
    assert steps_of(trained) == [3, 2]


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_checkpoints_are_written_with_the_mode_of_other_files(images, tmp_path):
    before = os.umask(0o027)
    try:
        train(PLAIN, images, None, tmp_path)
    finally:
        os.umask(before)
    for name in ("generator.safetensors", "training.safetensors"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o640


@given(st.binary(max_size=60))
def test_any_end_of_the_records_is_survived(tmp_path_factory, tail):
    folder = tmp_path_factory.mktemp("records")
    lines = [json.dumps({"step": step, "critic_loss": 0.5}) for step in (1, 2, 3)]
    (folder / "metrics.jsonl").write_bytes("\n".join(lines).encode() + b"\n" + tail)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resume.forget_later_records(folder, 2)
    assert [record["step"] for record in read_records(folder)][:2] == [1, 2]


@pytest.mark.parametrize("tail", ['{"step": 6, "steps": 9, "critic_l', "\0" * 40, '3\n"a"\n'])
def test_a_run_goes_on_after_a_power_cut_within_its_records(images, trained, tail):
    with (trained / "metrics.jsonl").open("a") as file:
        file.write(tail)
    with pytest.warns(UserWarning, match="damaged lines are left out"):
        train(replace(PLAIN, steps=3), images, None, trained)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [record["step"] for record in read_records(trained)] == [1, 2, 3]


def test_a_second_training_in_the_same_folder_is_refused(images, trained):
    with FileLock(trained / ".lock"), pytest.raises(TrainingError, match="another training is at"):
        train(replace(PLAIN, steps=3), images, None, trained)
    train(replace(PLAIN, steps=3), images, None, trained)
    assert steps_of(trained)[0] == 3


# The vocabulary -------------------------------------------------------------------------------


def named(covers: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    words = titles.vocabulary(covers)
    labels = np.zeros((len(covers), 10), np.float32)
    return conditions.rows(labels, {}, covers, words), words


def test_words_keep_their_meaning_when_songs_are_added(images, tmp_path):
    config = recipe("acgan", steps=2, titles="words", **SMALL)
    few = ["moon"] * 10 + ["sun"] * 8
    rows, words = named(few)
    assert words == ("moon", "sun")
    train(config, images[: len(few)], rows, tmp_path, words=words)
    before = checkpoint.load_generator(tmp_path)
    more = [*few, *["sun"] * 6, *["fire"] * 4]  # now the sun is more frequent, and fire is new
    rows, words = named(more)
    assert words == ("sun", "moon", "fire")
    after = train(replace(config, steps=3), images[: len(more)], rows, tmp_path, words=words)
    assert after.words == ("moon", "sun", "fire")
    assert checkpoint.load_generator(tmp_path).words == after.words
    for word in ("moon", "sun"):
        known = titles.tokens([word], before.words), titles.tokens([word], after.words)
        np.testing.assert_array_equal(*known)
    assert read_tensors(tmp_path / "training.safetensors")[1]["words"] == list(after.words)


def test_a_new_word_begins_as_an_unknown_one(images, tmp_path):
    config = recipe("acgan", steps=2, titles="words", **SMALL)
    few = ["moon"] * 10 + ["sun"] * 8
    rows, words = named(few)
    train(config, images[: len(few)], rows, tmp_path, words=words)
    rows, words = named([*few, *["fire"] * 9])
    known = resume.vocabulary(words, tmp_path, None)
    trainer = Trainer(config, torch.from_numpy(rows), words=known)
    trainer.load(tmp_path)
    table = trainer.generator.titles.words.weight
    assert known == ("moon", "sun", "fire")
    assert torch.equal(table[titles.UNKNOWN], table[titles.UNKNOWN + 1 + known.index("fire")])


def test_a_training_that_begins_with_another_runs_networks_takes_over_its_words(images, tmp_path):
    config = recipe("acgan", steps=1, titles="words", **SMALL)
    rows, words = named(["moon"] * 10 + ["sun"] * 8)
    train(config, images[:18], rows, tmp_path / "first", words=words)
    rows, words = named(["sun"] * 12 + ["fire"] * 10 + ["moon"] * 3)
    new = train(config, images[:25], rows, tmp_path / "new", words=words, start=tmp_path / "first")
    assert new.words == ("moon", "sun", "fire")


WORDS = st.lists(st.sampled_from(["moon", "sun", "fire", "rain", "ash"]), min_size=1, unique=True)


@given(WORDS, WORDS)
def test_renumbered_titles_are_those_of_the_longer_vocabulary(old, new):
    known = titles.extended(old, new)
    named = [*new, " ".join(new), "unknown", ""]
    assert known[: len(old)] == tuple(old)
    again = titles.renumbered(titles.tokens(named, new), new, known)
    np.testing.assert_array_equal(again, titles.tokens(named, known))
