"""The command line: exit codes, one sentence for what went wrong, and help that helps."""

import errno
import io
import subprocess
import sys
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from albumlib import __version__, features
from albumlib.__main__ import app
from albumlib.cli.options import Recipe
from albumlib.dataset import gathering, text_detection
from albumlib.dataset.coverset import CoverSet
from albumlib.models import checkpoint, networks
from albumlib.runtime import console, doctor
from albumlib.runtime.doctor import Finding
from albumlib.sampling import request
from albumlib.sampling.generate import SHEET
from albumlib.sources.music import Music
from albumlib.training.config import RECIPES
from tests.test_music import clicks, encode

COMMANDS = (
    "doctor", "gather", "budget", "clean", "export", "quarantine", "train", "generate", "course",
    "sweep", "explore", "video", "evaluate", "visible",
)  # fmt: skip


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
        ["--debug"],
        ["nosuch"],
        ["train"],
        *(
            ["gather", *bad.split()]
            for bad in (
                "--size 0",
                "--size 100000",
                "--albums 0",
                "--limit -1",
                "--workers 0",
            )
        ),
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
        (["export", "nowhere", "out"], "no cover set in nowhere"),
        (["quarantine", "nowhere"], "there is no quarantine in nowhere"),
        (["gather", "--source", "parquet"], "needs a folder of Parquet files"),
        (["gather", "--source", "parquet", "--pictures", "no"], "no Parquet files in no"),
        (["generate", "nowhere"], "no checkpoint nowhere"),
        (
            ["gather", "--source", "tables"],
            "needs a table (CSV, Excel",
        ),
        (["gather", "--source", "tables", "--table", "no.csv"], "no.csv"),
        (["gather", "--source", "folder", "--pictures", "no"], "no folder no"),
        (["course", "--source", "folder"], "needs a folder"),
        (["course", "--only", "99"], "notebook"),
        (["course", "--source", "music"], "gather --source music --out runs/laptop-music/data, th"),
        (["course", "--source", "legacy", "--out", "x"], "course --from 2 --out x"),
        (["course", "--source", "spotify"], "forbids with its content; to look at what it has"),
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


def test_a_dry_run_says_how_many_images_are_trained_on_and_for_how_long(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said, _ = run("course", "--profile", "gpu", "--only", "5", "--dry-run")
    assert code == 0
    assert "acgan: 80,000 steps, 10,240,000 images, about 46 min" in said
    assert "in all 15,360,000 images, about 1.5 hours of training" in said and "GPU" in said
    _, said, _ = run("course", "--only", "4", "-p", "steps=50", "--dry-run")
    assert "wgan_logan: 50 steps, 800 images, about 14 s" in said


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


def test_modules_that_are_commands_fail_with_one_sentence(tmp_path):
    command = [sys.executable, "-m", "albumlib.studies.sizes", "--data", "nowhere"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert found.returncode == 1
    assert found.stderr.startswith("error: there is no cover set in nowhere: run notebook 02")
    assert len(found.stderr.splitlines()) == 1


def test_nothing_is_said_when_nobody_reads_on():
    command = [sys.executable, "-m", "albumlib", "budget"]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipe) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


def test_every_recipe_can_be_asked_for():
    assert set(get_args(Recipe)) == set(RECIPES)


# Work -------------------------------------------------------------------------------------------


def test_one_is_told_when_covers_are_drawn_for_want_of_real_ones(tmp_path):
    table, drawn = tmp_path / "songs.csv", "covers were drawn for the features"
    table.write_text("name,artist,album,energy\nOne,Nobody,First,0.5\n")
    asked = ["gather", "--source", "tables", "--table", table, "--size", 64]
    assert drawn in run(*asked, "--out", tmp_path / "drawn")[1]
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (80, 80)).save(pictures / "First.png")
    code, out, errors = run(*asked, "--pictures", pictures, "--out", tmp_path / "real")
    assert code == 0 and drawn not in out, errors


def test_from_a_label_to_covers(tmp_path):
    data, model, sheet = tmp_path / "data", tmp_path / "model", tmp_path / "sheet.png"
    code, out, errors = run("gather", "--albums", 60, "--size", 64, "--out", data)
    assert code == 0, errors
    assert "480  tracks" in out and f"albumlib clean {data}" in out
    code, out, errors = run("clean", data, "--size", 32, "--size", 64)
    assert code == 0, errors
    assert f"albumlib quarantine {data}" in out and "put aside: " in out
    small = ["-p", "batch_size=8", "-p", "generator_width=4", "-p", "critic_width=4"]
    code, _, errors = run("train", data / "coverset", "--steps", 2, *small, "--out", model)
    assert code == 0, errors
    code, _, errors = run("generate", model, "-f", "energy=0.9", "--count", 10, "--out", sheet)
    assert code == 0, errors
    assert Image.open(sheet).size == (8 * 32, 2 * 32)
    twice = [
        "-p",
        "size=64",
        "-p",
        "batch_size=8",
        "-p",
        "generator_width=2",
        "-p",
        "critic_width=2",
    ]
    larger = ["--from", model, *twice, "--steps", 1, "--out", tmp_path / "larger"]
    code, _, errors = run("train", data / "coverset", *larger)
    assert code == 0, errors
    assert checkpoint.load_generator(tmp_path / "larger").size == 64
    assert "only covers of 32, 64" in fails("train", data / "coverset", "-p", "size=128")


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gathered")
    assert run("gather", "--albums", 60, "--size", 64, "--workers", 1, "--out", folder)[0] == 0
    assert run("clean", folder, "--size", 32)[0] == 0
    return folder


def test_windows_and_lettering_select_on_the_command_line(gathered, tmp_path, monkeypatch):
    monkeypatch.setattr(
        text_detection, "find_spec", lambda name: None
    )  # the quick detector will do
    options = ["--where", "year=1980..", "--where", "text=no", "--size", 32]
    assert "--text" in fails("clean", gathered, *options)
    code, said, errors = run("clean", gathered, *options, "--text", "--out", tmp_path / "set")
    assert code == 0, errors
    covers = CoverSet.open(tmp_path / "set")
    assert covers.manifest["selection"] == ["year=1980..", "text=no"]
    assert (covers.table["year"] >= 1980).all() and not covers.table["text"].any()
    assert "not selected" in said and f"albumlib train {tmp_path / 'set'}" in said
    assert "no Dask scheduler answers" in fails("clean", gathered, "--dask", "nonsense://x")
    assert "is no filter" in fails("clean", gathered, "--where", "popular")
    assert "there is no 'mood'" in fails("clean", gathered, "--where", "mood=good")


def test_the_quarantine_is_shown_drawn_and_released_from(gathered, tmp_path):
    code, said, _ = run("quarantine", gathered, "--sheets", tmp_path / "sheets")
    rejects = pd.read_parquet(gathered / "coverset" / "quarantine.parquet")
    reasons = rejects.query("what == 'cover'")["reason"]
    assert code == 0 and all(f"cover: {reason}" in said for reason in reasons)
    assert len(list((tmp_path / "sheets").glob("*.png"))) == reasons.nunique() > 0
    assert "nobody" in fails("quarantine", gathered, "--release", "nobody")


def test_a_cover_set_is_exported(gathered, tmp_path):
    code, said, errors = run("export", gathered / "coverset", tmp_path / "out", "--workers", 1)
    assert code == 0 and "load_dataset" in said, errors
    assert "is there already" in fails("export", gathered / "coverset", tmp_path / "out")
    assert run("gather", "--source", "parquet", "--pictures", tmp_path / "out", "--limit", 5,
               "--out", tmp_path / "again")[0] == 0  # fmt: skip


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
    code, _, said = run("generate", model, "--candidates", 4)
    assert code == 2 and "--candidates needs --data" in " ".join(said.split())
    assert ".png or .jpg" in fails("generate", model, "--out", tmp_path / "a.xyz")
    assert run("generate", model, "-f", "energie=1")[0] in (1, 2)


def test_bars_count_each_kind_of_work(capsys):
    with console.bars() as show:
        for what, total in (("tracks", 10), ("covers", 3)):
            show(what, total // 2, total)
            show(what, total, total)
    errors = capsys.readouterr().err
    assert "tracks: 100%" in errors and "covers: 100%" in errors and "10.0/10.0" in errors
    assert errors.count("\n") == 2  # a line for each bar


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


# Covers for features, songs, albums and tables ---------------------------------------------------


@pytest.fixture
def listener(tmp_path):
    """A model with labels, and a cover set of two albums for it."""
    torch.manual_seed(0)
    generator = networks.Generator(size=32, latent=8, labels=10, width=4)
    checkpoint.save_generator(tmp_path / "generator.safetensors", generator, {})
    tracks = pd.DataFrame({name: [0.1, 0.3, 0.9] for name in features.NAMES})
    tracks["tempo"] = [100.0, 140.0, 90.0]
    tracks["name"], tracks["album"] = ["Moon", "Sun", "Moon"], ["Sky", "Sky", "Other"]
    tracks["artist"], tracks["row"] = ["A", "A", "B"], [0, 0, 1]
    table = tracks.groupby("row").first()
    table["split"] = "train"
    folder = tmp_path / "coverset"
    folder.mkdir()
    np.save(folder / "images.npy", np.zeros((2, 32, 32, 3), np.uint8))
    table.to_parquet(folder / "table.parquet")
    tracks.to_parquet(folder / "tracks.parquet")
    (folder / "manifest.json").write_text('{"size": 32}')
    return tmp_path


def asked(path) -> dict:
    """The features that a picture says it was drawn for."""
    return dict(zip(features.NAMES, request.load(path).features, strict=True))


@pytest.mark.parametrize("options", [["--energy", 0.9], ["--energy=0.9"], ["-f", "energy=0.9"]])
def test_features_are_options(listener, options):
    out = listener / "a.png"
    code, _, errors = run("generate", listener, *options, "--count", 1, "--out", out)
    assert code == 0, errors
    found = asked(out)
    assert found.pop("energy") == 0.9 and set(found.values()) == {None}


def test_a_song_and_an_album_are_found_and_features_can_be_changed(listener):
    out, data = listener / "a.png", ["--data", listener / "coverset"]
    arguments = ["generate", listener, *data, "--out", out]
    code, _, errors = run(*arguments, "--album", "sky", "--valence", 0.7, "--size", 80)
    assert code == 0, errors
    assert asked(out)["tempo"] == pytest.approx(120) and asked(out)["valence"] == 0.7
    assert Image.open(out).size == (80, 80)
    assert run(*arguments, "--song", "moon other")[0] == 0
    assert asked(out)["tempo"] == pytest.approx(90, abs=1e-4)
    assert "more than one song" in fails(*arguments, "--song", "moon")
    assert "no album" in fails(*arguments, "--album", "nowhere")


def test_a_table_becomes_a_file_for_each_row_and_bad_rows_are_named(listener):
    table = listener / "songs.csv"
    table.write_text("name,Energy,tempo\nA b/c,0.2,120\nodd,7,120\nwords,high,\n,,80\n")
    out = listener / "covers"
    code, said, errors = run("generate", listener, "--table", table, "--out", out)
    assert code == 0 and "2  covers drawn" in said and "2  rows rejected" in said, errors
    assert sorted(path.name for path in out.glob("*.png")) == ["1_A_b_c.png", "4.png"]
    assert asked(out / "1_A_b_c.png")["energy"] == 0.2 and asked(out / "4.png")["tempo"] == 80
    rejected = pd.read_csv(out / "rejected.csv")
    assert rejected["row"].tolist() == [2, 3]
    assert "energy is from 0 to 1" in rejected["reason"][0] and "number" in rejected["reason"][1]


@pytest.mark.usefixtures("measured_at_once")
def test_a_folder_of_music_becomes_covers_and_what_is_at_the_mean_is_said(
    listener, tmp_path, monkeypatch
):
    monkeypatch.setattr(Music.__init__, "__defaults__", (1,))  # two more processes have a test
    encode(tmp_path / "drums.flac", clicks(120))
    encode(tmp_path / "more.mp3", clicks(90))
    out = listener / "covers"
    code, said, errors = run("generate", listener, "--table", tmp_path, "--out", out)
    assert code == 0 and "2  covers drawn" in said, errors
    assert "2  with a feature at the mean: valence" in said and "tempo" not in said
    assert asked(out / "1_drums.png")["tempo"] == pytest.approx(120, rel=0.02)
    assert Image.open(out / SHEET).size == (256, 128)


PLAYLIST = "Track URI,Track Name,Energy\n" + "".join(
    f"spotify:track:{number:022},Song,0.5\n" for number in range(20)
)


def covers_of(folder, model, table: str, *options) -> dict[str, bytes]:
    """Files by name that a table becomes."""
    (folder / "list.csv").write_text(table)
    out = folder / "covers"
    code, _, errors = run("generate", model, "--table", folder / "list.csv", "--out", out, *options)
    assert code == 0, errors
    assert Image.open(out / SHEET).size >= (128, 128)
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.name != SHEET}


def test_each_song_of_a_playlist_has_its_own_cover_and_twice_the_same(listener):
    first = covers_of(listener, listener, PLAYLIST)
    assert len(first) == len({Image.open(io.BytesIO(f)).tobytes() for f in first.values()}) == 20
    assert covers_of(listener, listener, PLAYLIST) == first
    head, *songs = PLAYLIST.splitlines(keepends=True)
    turned = covers_of(listener, listener, head + "".join(reversed(songs)))
    assert set(turned.values()) == set(first.values())  # whatever the order
    assert not set(covers_of(listener, listener, PLAYLIST, "--seed", 1).values()) & {
        *first.values()
    }


def test_seeds_of_a_table_are_honoured_or_refused(listener):
    table = "name,energy,seed\na,0.5,7\nb,0.5,-1\nc,0.5,x\nd,0.5,\ne,0.5,1.5\n"
    covers = covers_of(listener, listener, table)
    assert [*covers] == ["1_a.png", "4_d.png", "rejected.csv"]
    assert request.load(covers["1_a.png"]).seeds == (7,)
    assert covers["rejected.csv"].decode().count("seed must be a whole number") == 3


def test_options_hold_for_all_rows_of_a_table(listener):
    table = "name,energy,valence\na,0.5,0.1\nb,0.6,0.2\n"
    covers = covers_of(listener, listener, table, "--valence", 0.9, "--count", 4)
    found = [request.load(file) for file in covers.values()]
    assert [dict(zip(features.NAMES, one.features, strict=True))["valence"] for one in found] == [
        0.9, 0.9,
    ]  # fmt: skip
    assert [len(one.seeds) for one in found] == [4, 4]


def test_titles_and_years_of_a_table_are_honoured_or_said_to_be_left_out(listener):
    torch.manual_seed(0)
    told = networks.Generator(32, 8, 11, 4, extras=("year",), words=("rain",), titles="both")
    folder = listener / "titles"
    folder.mkdir()
    checkpoint.save_generator(folder / "generator.safetensors", told, {})
    table = "title,year,energy\nRain,1985-06-01,0.5\nSun,,0.5\nOdd,soon,0.5\n"
    covers = covers_of(folder, folder, table)
    found = [request.load(covers[name]) for name in ("1_Rain.png", "2_Sun.png")]
    assert [(one.title, one.year) for one in found] == [("Rain", 1985), ("Sun", None)]
    assert "year must be a year or a date, not 'soon'" in covers["rejected.csv"].decode()
    covers = covers_of(folder, folder, table, "--year", 1999, "--title", "All")
    assert {(one.title, one.year) for one in map(request.load, covers.values())} == {("All", 1999)}
    arguments = ["--table", folder / "list.csv", "--out", folder / "covers"]
    errors = run("generate", listener, *arguments)[2]
    assert "trained without title" in errors and "trained without year" in errors
    run("generate", listener, *arguments, "--year", 1999)
    rejected = (folder / "covers" / "rejected.csv").read_text()
    assert rejected.count("this model was trained without year") == 3


@pytest.mark.usefixtures("measured_at_once")
def test_features_of_a_music_file_are_measured(listener):
    song, out = encode(listener / "song.flac", clicks(120)), listener / "a.png"
    code, _, errors = run("generate", listener, "--music", song, "--out", out)
    assert code == 0 and "measured: " in errors and "are left open" in errors
    found = asked(out)
    assert found["tempo"] == pytest.approx(120, rel=0.02)
    assert found["loudness"] is not None and found["valence"] is None
    assert "no music file" in fails("generate", listener, "--music", listener / "no.mp3")
    assert "no sound" in fails("generate", listener, "--music", listener / "generator.safetensors")


def test_the_explorer_is_served_only_if_it_can_be(listener, monkeypatch):
    assert "no cover set" in fails("explore", listener / "nowhere", "--out", listener / "e")
    no_model = ["--model", listener / "no.safetensors", "--out", listener / "e"]
    assert "no checkpoint" in fails("explore", listener / "coverset", *no_model)
    monkeypatch.setattr("albumlib.explorer.serve.find_spec", lambda _: None)
    given = ["--model", listener, "--out", listener / "e"]
    assert "pip install voila" in fails("explore", listener / "coverset", *given)


def test_ctrl_c_ends_the_explorer_as_it_is_told_to(listener, monkeypatch):
    def interrupted(command):
        raise KeyboardInterrupt

    monkeypatch.setattr("albumlib.cli.covers.subprocess.run", interrupted)
    given = ["--model", listener, "--out", listener / "e", "--no-browser"]
    code, _, errors = run("explore", listener / "coverset", *given)
    assert code == 0 and "stopped" not in errors


def test_what_an_export_would_leave_out_is_refused(listener, tmp_path):
    for arguments in ([listener, "--size", 64], [listener / "coverset", "--split"]):
        code, _, errors = run("export", *arguments, tmp_path / "out")
        assert code == 2 and "--size is for a cover set" in " ".join(errors.split())


def test_saved_pictures_become_a_video(listener):
    pictures = [listener / "quiet.png", listener / "loud.png"]
    for picture, energy in zip(pictures, (0.1, 0.9), strict=True):
        options = ["--energy", energy, "--count", 1, "--out", picture]
        assert run("generate", listener, *options)[0] == 0
    out = listener / "video.gif"
    code, said, errors = run(
        "video", listener, *pictures, "--seconds", 0.25, "--out", out, "--loop"
    )
    assert code == 0 and str(out) in said, errors
    assert Image.open(out).n_frames == 12
    assert "two key frames" in fails("video", listener, pictures[0], "--out", out)
    Image.new("RGB", (32, 32)).save(listener / "foreign.png")
    assert run("film", listener, *pictures, "--seconds", 0.1, "--out", out)[0] == 0  # its old name
    foreign = fails("video", listener, pictures[0], listener / "foreign.png", "--out", out)
    assert "foreign.png: this picture does not say how it was made" in foreign
    nowhere = fails("video", listener, pictures[0], listener / "no.png", "--out", out)
    assert nowhere == f"there is no picture {listener / 'no.png'}"


def test_generate_tells_bad_input(listener):
    assert "energy is from 0 to 1" in fails("generate", listener, "--energy", 3)
    assert "size is from 32" in fails("generate", listener, "--size", 7)
    (listener / "no.csv").write_text("a,b\n1,2\n")
    table = ["--table", listener / "no.csv", "--out", listener / "covers"]
    assert "has no feature" in fails("generate", listener, *table)
    for odd in (["--energi", 1], ["--energy"], ["--song", "x"], ["more"]):
        assert run("generate", listener, *odd)[0] == 2, odd


def test_names_on_covers_are_asked_for(tmp_path):
    code, _, errors = run("gather", "--albums", 3, "--text", "--size", 64, "--out", tmp_path)
    assert code == 0, errors
    assert "imprint, law 2" in fails("gather", "--albums", 3, "--size", 64, "--out", tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--energy", "nan"], "energy must be a number such as 0.5"),
        (["--energy", "0,9"], "energy must be a number such as 0.5"),
        (["--count", 10**6], "--count"),
        (["--data", "coverset"], "--data is for --song, --album or --candidates"),
        (["--svg"], "--svg needs --table and --finish cutout"),
        (["--table", "songs.csv", "--svg"], "--svg needs --table and --finish cutout"),
        (["--table", "songs.csv"], "name a folder, not --out covers.png"),
    ],
    ids=str,
)
def test_what_would_be_left_out_in_silence_is_refused(listener, options, words, monkeypatch):
    monkeypatch.chdir(listener)
    (listener / "songs.csv").write_text("name,energy\nOne,0.5\n")
    code, _, errors = run("generate", listener, *options)
    assert code == 2 and words in " ".join(errors.split())
    assert not (listener / "covers.png").exists()


def test_a_sheet_is_no_larger_than_what_can_be_opened_again(listener):
    large = ["--count", 1000, "--size", 600, "--out", listener / "a.png"]
    assert "ask for fewer or smaller" in fails("generate", listener, *large)


def test_a_table_says_where_its_covers_are_and_fails_if_there_are_none(listener):
    table, out = listener / "songs.csv", listener / "covers"
    table.write_text("name,energy\nOne,0.5\nTwo,7\n")
    code, said, _ = run("generate", listener, "--table", table, "--out", out)
    assert code == 0 and said.splitlines()[-2:] == [f"why: {out / 'rejected.csv'}", str(out)]
    table.write_text("name,energy\nTwo,7\n")
    assert "rejected.csv says why" in fails("generate", listener, "--table", table, "--out", out)


def test_another_seed_of_the_imprint_wants_another_folder(tmp_path):
    asked = ["gather", "--albums", 2, "--size", 64, "--workers", 1, "--out", tmp_path]
    assert run(*asked)[0] == 0 and run(*asked)[0] == 0
    said = fails(*asked, "--seed", 7)
    assert "was gathered with seed 2026, corruption 0.03, not seed 7, corruption 0.03" in said


def test_a_file_in_a_folders_place_is_told_with_what_to_do(listener):
    (listener / "file").write_text("")
    for name in ("file", "file/inside"):
        out = listener / name
        assert "so name another" in fails("gather", "--albums", 1, "--out", out)
    assert "so name another" in fails("generate", listener, "--out", listener / "file" / "a.png")


def test_cleaning_refuses_sizes_and_filters_that_leave_nothing(gathered, tmp_path):
    for size in (0, -64, 50):
        assert run("clean", gathered, "--size", size, "--out", tmp_path / "set")[0] == 2
    narrow = ["--where", "year=2030..", "--out", tmp_path / "set"]
    assert "passes the filter: widen it" in fails("clean", gathered, *narrow)
    _, said, _ = run("clean", gathered, "--size", 32, "--out", tmp_path / "other")
    assert f"quarantine {gathered} --coverset {tmp_path / 'other'}" in said


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_here_is_one_sentence(gathered, tmp_path, device):
    asked = ["train", gathered / "coverset", "--device", device, "--out", tmp_path / "model"]
    assert f"this machine has no device '{device}'" in fails(*asked, "--steps", 1)
    assert not (tmp_path / "model").exists()


def test_numbers_have_a_place_before_they_are_measured(listener, tmp_path):
    (tmp_path / "file").write_text("")
    place = ["--json", tmp_path / "file" / "a.json"]
    for command in (["evaluate", listener, listener], ["visible", listener]):
        assert "so name another" in fails(*command, *place)
    assert run("visible", listener, "--extractor", "foo")[0] == 2


def test_what_is_no_sweep_or_leaves_no_chapter_is_one_sentence(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert "is not YAML" in fails("sweep", tmp_path / "a.png")
    assert "none of 5 comes after 7" in fails("course", "--only", 5, "--from", 7, "--dry-run")
