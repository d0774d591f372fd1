"""The command line: exit codes, one sentence for what went wrong, and help that helps."""

import errno
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from albumlib import __version__, checkpoint, console, doctor, gathering, networks
from albumlib.__main__ import Recipe, app
from albumlib.config import RECIPES
from albumlib.doctor import Finding

COMMANDS = ("doctor", "gather", "clean", "train", "generate", "course", "sweep")


def run(*arguments):
    """Exit code, stdout and stderr of a command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def fails(*arguments) -> str:
    """The sentence with which a command fails."""
    code, _, errors = run(*arguments)
    assert code == 1, errors
    [line] = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in errors
    return line.removeprefix("error: ")


# Help and usage ---------------------------------------------------------------------------------


def test_help_lists_every_command():
    code, out, _ = run("--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)
    assert "..." not in out.split("Commands:")[1], "a command's first sentence is cut off"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_with_an_example(command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"python -m albumlib {command}" in out.split("Example")[1]


def test_version():
    assert run("--version")[:2] == (0, f"albumlib {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nosuch"],
        ["train"],
        ["gather", "--albums", "many"],
        ["gather", "--source", "vinyl"],
        ["course", "--profile", "desktop"],
        ["course", "-p", "steps"],
        ["generate", "x", "--truncation", "2"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood_exits_with_2(arguments):
    assert run(*arguments)[0] == 2


# Failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clean", "nowhere"], "nothing was gathered in nowhere"),
        (["train", "nowhere"], "no cover set in nowhere"),
        (["generate", "nowhere"], "no checkpoint nowhere"),
        (["gather", "--source", "tables"], "needs a table"),
        (["gather", "--source", "tables", "--table", "no.csv"], "no.csv"),
        (["gather", "--source", "folder", "--pictures", "no"], "no folder no"),
        (["course", "--source", "folder"], "needs a folder"),
        (["course", "--only", "99"], "notebook"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_failures_are_one_sentence(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in fails(*arguments)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_dry_run_says_what_would_run_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said, _ = run("course", "--profile", "smoke", "--only", "2,3", "--dry-run")
    assert code == 0 and not list(tmp_path.iterdir())
    assert [line.split() for line in said.splitlines()] == [
        ["runs", "02_cleaning", "new"],
        ["runs", "03_label_eda", "new"],
    ]


def test_a_table_without_usable_columns(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    words = fails("gather", "--source", "tables", "--table", tmp_path / "t.csv")
    assert "no usable columns" in words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "x/y"), "x/y: Permission denied"),
        (KeyboardInterrupt(), "stopped; what was done is kept"),
        (ModuleNotFoundError("no", name="pandera"), "pandera is missing"),
    ],
    ids=["full disk", "permission", "ctrl-c", "missing package"],
)
def test_errors_from_below(error, words, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(gathering, "gather", broken)
    assert words in fails("gather", "--albums", 1, "--out", tmp_path)


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path):
    for arguments in (["--debug", "clean", "nowhere"], ["clean", "nowhere", "--debug"]):
        command = [sys.executable, "-m", "albumlib", *arguments]
        found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert found.returncode == 1 and "Traceback" in found.stderr


def test_every_recipe_can_be_asked_for():
    assert {recipe.value for recipe in Recipe} == set(RECIPES)


# Work -------------------------------------------------------------------------------------------


def test_from_a_label_to_covers(tmp_path):
    data, model, sheet = tmp_path / "data", tmp_path / "model", tmp_path / "sheet.png"
    code, out, errors = run("gather", "--albums", 60, "--size", 64, "--out", data)
    assert code == 0, errors
    assert "480  tracks" in out and f"albumlib clean {data}" in out
    code, out, errors = run("clean", data, "--size", 32)
    assert code == 0, errors
    small = ["-p", "batch_size=8", "-p", "generator_width=4", "-p", "critic_width=4"]
    code, _, errors = run("train", data / "coverset", "--steps", 2, *small, "--out", model)
    assert code == 0, errors
    code, _, errors = run("generate", model, "-f", "energy=0.9", "--count", 10, "--out", sheet)
    assert code == 0, errors
    assert Image.open(sheet).size == (8 * 32, 2 * 32)


@pytest.fixture
def model(tmp_path):
    """A model that was trained without labels."""
    generator = networks.Generator(size=32, latent=8, labels=0, width=4)
    checkpoint.save_generator(tmp_path / "generator.safetensors", generator, {})
    return tmp_path


def test_generated_covers_follow_the_seed(model, tmp_path):
    pictures = []
    for seed in (1, 1, 2):
        assert run("generate", model, "--seed", seed, "--out", tmp_path / "a.png")[0] == 0
        pictures.append(np.asarray(Image.open(tmp_path / "a.png")))
    assert (pictures[0] == pictures[1]).all() and (pictures[0] != pictures[2]).any()


def test_generate_refuses_what_the_model_cannot_do(model, tmp_path):
    assert "without labels" in fails("generate", model, "-f", "energy=0.5")
    assert ".png or .jpg" in fails("generate", model, "--out", tmp_path / "a.xyz")
    assert run("generate", model, "-f", "energie=1")[0] in (1, 2)


def test_bars_count_each_kind_of_work(capsys):
    with console.bars() as show:
        for what, total in (("tracks", 10), ("covers", 3)):
            show(what, total // 2, total)
            show(what, total, total)
    errors = capsys.readouterr().err
    assert "tracks: 100%" in errors and "covers: 100%" in errors and "10.0/10.0" in errors


# The doctor -------------------------------------------------------------------------------------


def test_the_doctor_finds_this_machine_fit():
    code, out, _ = run("doctor")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("[OK]   Python 3.") and "trains on" in lines[-1]
    for name in ("torch", "pandera", "papermill", "kernel python3", "disk"):
        assert any(name in line for line in lines), name


def test_the_doctor_tells_what_is_missing_too_old_or_optional():
    wanted = [
        "numpy>=2.0",
        "numpy>=999",
        "no-such-package>=1",
        'no-such-extra>=1; extra == "notebooks"',
        'numpy>=999; python_version < "3"',
        'albumlib[data]; extra == "all"',
    ]
    found = [str(finding) for finding in doctor.requirements(wanted)]
    assert [line.split()[0] for line in found] == ["[OK]", "[FAIL]", "[FAIL]", "[NOTE]"]
    assert "too old" in found[1] and "pip install 'numpy>=999'" in found[1]
    assert "missing" in found[2] and "albumlib[notebooks]" in found[3]
    assert doctor.python_version(">=9.9").state == "FAIL"


def test_a_failed_check_fails_the_command(monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("FAIL", "torch", "install it")])
    assert run("doctor")[:2] == (1, "[FAIL] torch: install it\n")
