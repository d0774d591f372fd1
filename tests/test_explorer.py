import io
import threading
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from albumlib import features
from albumlib.dataset.coverset import CoverSet
from albumlib.explorer.app import Explorer, average
from albumlib.explorer.controls import histogram
from albumlib.explorer.latest_only import LatestOnly, Stopped
from albumlib.features import FEATURES, NAMES
from albumlib.models import checkpoint
from albumlib.models.networks import Generator
from albumlib.sampling import latent
from albumlib.sampling.request import Request

FILE = {"name": "a.png", "type": "image/png", "size": 1, "last_modified": datetime(2021, 1, 1)}
ENERGY, LOUDNESS = NAMES.index("energy"), NAMES.index("loudness")


@pytest.fixture(scope="module")
def coverset():
    """Forty albums of three songs; loudness follows energy."""
    rng = np.random.default_rng(0)
    unit = rng.uniform(-0.5, 0.5, (120, 10))
    unit[:, LOUDNESS] = 0.5 * unit[:, ENERGY] + 0.01 * unit[:, LOUDNESS]
    tracks = pd.DataFrame(features.from_unit(unit), columns=list(NAMES))
    tracks["row"] = np.repeat(np.arange(40), 3)
    tracks["name"] = [f"song {number}" for number in range(120)]
    tracks["album"] = [f"album {row}" for row in tracks["row"]]
    tracks["artist"] = "somebody"
    table = tracks.groupby("row")[list(NAMES)].mean()
    table["album"], table["artist"], table["split"] = (
        tracks.groupby("row")["album"].first(),
        "x",
        "train",
    )
    images = rng.integers(0, 255, (40, 32, 32, 3), dtype=np.uint8)
    return CoverSet(images, table, tracks, {})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, labels in (("one", 10), ("two", 10), ("plain", 0)):
        torch.manual_seed(len(name) + ord(name[0]))
        generator = Generator(32, 16, labels, 4)
        checkpoint.save_generator(folder / f"{name}.safetensors", generator, {})
    files = {name: folder / f"{name}.safetensors" for name in ("one", "two", "plain")}
    return files | {"missing": folder / "missing.safetensors"}


@pytest.fixture
def explorer(models, coverset, tmp_path):
    return Explorer(models, coverset, tmp_path).wait()


def shown(explorer) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(explorer.wait().picture.value)))


def said(explorer) -> str:
    explorer.wait()
    return explorer.message.value


def lives(explorer) -> bool:
    """Whether the picture still follows a slider, which clears what was said."""
    before = explorer.wait().picture.value
    explorer.sliders[0].value = 99.0 - explorer.sliders[0].value
    return explorer.wait().picture.value != before and not explorer.message.value


# Sliders ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", range(10))
def test_each_feature_changes_the_picture_to_what_the_generator_draws(explorer, column):
    feature = FEATURES[column]
    before = explorer.picture.value
    explorer.sliders[column].value = feature.high
    assert explorer.wait().picture.value != before
    assert explorer.numbers[column].value == feature.high
    label = features.to_unit(np.array([slider.value for slider in explorer.sliders]))
    z = latent.latents(explorer.generator, explorer.seed.value)
    expected = latent.draw(explorer.generator, z, label)[0].astype(int)
    assert np.abs(shown(explorer) - expected).mean() < 12  # what JPEG leaves of fine noise


def test_related_features_follow_when_asked(explorer):
    loudness = explorer.sliders[LOUDNESS].value
    explorer.sliders[ENERGY].value = 0.6
    assert explorer.sliders[LOUDNESS].value == loudness
    explorer.together.value = True
    explorer.sliders[ENERGY].value = 0.7
    # energy +0.1 is +0.2 of [-1, 1], loudness follows by half of that: 0.1 of 65 / 2 dB
    assert explorer.sliders[LOUDNESS].value - loudness == pytest.approx(3.25, rel=0.05)
    shown = pytest.approx(explorer.sliders[LOUDNESS].value, rel=1e-3)
    assert explorer.numbers[LOUDNESS].value == shown


def test_seeds_go_on_by_as_many_as_are_shown_and_back(explorer):
    first = shown(explorer)
    explorer.grid.value = 4
    sheet = shown(explorer)
    assert sheet.shape == (64, 64, 3)
    assert np.abs(sheet[:32, :32].astype(int) - first).mean() < 12
    explorer.next.click()
    assert explorer.seed.value == 2025 and (shown(explorer) != sheet).any()
    explorer.previous.click()
    assert explorer.seed.value == 2021 and (shown(explorer) == sheet).all()


def test_truncation_and_directions_change_the_picture_and_reset_restores_it(explorer):
    start = explorer.picture.value
    for slider, value in ((explorer.truncation, 0.3), (explorer.steps[2], 1.5)):
        before = explorer.wait().picture.value
        slider.value = value
        assert explorer.wait().picture.value != before
    explorer.reset.click()
    assert explorer.wait().picture.value == start


# Songs and albums -------------------------------------------------------------------------------


def test_a_song_is_searched_and_chosen(explorer, coverset):
    explorer.search.value = "SONG 17"
    found = [words for words, _ in explorer.found.options]
    assert found[0] == "song 17, by somebody (album 5)"
    assert all("17" in words for words in found)
    explorer.found.value = 17
    asked = [slider.value for slider in explorer.sliders]
    assert np.allclose(asked, coverset.tracks.loc[17, list(NAMES)].astype(float), atol=1e-4)


def test_an_album_is_averaged_in_three_ways(explorer, coverset):
    explorer.kind.value = "albums"
    explorer.search.value = "album 7"
    explorer.found.value = explorer.found.options[0][1]
    songs = coverset.tracks[coverset.tracks["row"] == 7][list(NAMES)]
    asked = [slider.value for slider in explorer.sliders]
    assert np.allclose(asked, songs.mean(), atol=1e-4)
    for way in ("medoid", "most typical song"):
        explorer.average.value = way
        asked = np.array([slider.value for slider in explorer.sliders])
        assert np.isclose(songs, asked, atol=1e-4).all(1).any()


def test_averages_of_one_song_are_the_song():
    labels = np.random.default_rng(0).uniform(-1, 1, (1, 10)).astype(np.float32)
    for way in ("mean", "medoid", "most typical song"):
        assert np.allclose(average(labels, way, np.ones(10)), labels[0])


# Files ------------------------------------------------------------------------------------------


def test_a_saved_picture_is_opened_and_gives_the_identical_picture(explorer, tmp_path):
    explorer.sliders[ENERGY].value, explorer.truncation.value = 0.9, 0.8
    explorer.steps[0].value, explorer.grid.value = 1.5, 9
    explorer.seed.value = 77
    picture = explorer.wait().picture.value
    explorer.save.click()
    assert "saved cover.png" in explorer.state.value
    saved = (tmp_path / "cover.png").read_bytes()
    explorer.reset.click()
    explorer.seed.value = 1
    assert explorer.wait().picture.value != picture
    explorer.upload.value = (FILE | {"content": memoryview(saved)},)
    assert explorer.wait().picture.value == picture
    explorer.name.value = "again.png"
    explorer.save.click()
    assert (tmp_path / "again.png").read_bytes() == saved


@pytest.fixture
def listening(models, coverset, tmp_path):
    """An explorer of a model that also listens to a year, text and titles, and of another."""
    torch.manual_seed(9)
    more = {"extras": ("year", "text"), "words": ("rain",), "titles": "both"}
    generator = Generator(32, 16, 12, 4, **more)
    checkpoint.save_generator(tmp_path / "more.safetensors", generator, {})
    files = {"more": tmp_path / "more.safetensors", "one": models["one"]}
    return Explorer(files, coverset, tmp_path).wait()


def test_year_title_and_lettering_move_a_model_that_listens_to_them(listening):
    pictures = [listening.wait().picture.value]
    for name, value in (("year", 1985), ("title", "Rain"), ("text", False)):
        listening.told[name].value = value
        pictures.append(listening.wait().picture.value)
    assert len(set(pictures)) == 4
    wanted = listening.drawing
    assert (wanted.year, wanted.title, wanted.text) == (1985, "Rain", False)
    drawn = wanted.draw(listening.generator)[0]
    assert np.abs(shown(listening).astype(int) - drawn).mean() < 15  # of what JPEG leaves
    listening.save.click()
    saved = (listening.folder / "cover.png").read_bytes()
    for name, value in (("year", "any"), ("title", ""), ("text", "any")):
        listening.told[name].value = value
    assert listening.wait().picture.value == pictures[0]
    assert listening.drawing.year is None and listening.drawing.text is None
    listening.open(saved)
    assert listening.wait().picture.value == pictures[3] and listening.drawing == wanted


def test_a_model_that_does_not_listen_hides_them_and_stands_beside_one_that_does(listening):
    listening.told["year"].value = 1985
    listening.beside.value = "one"
    assert shown(listening).shape[1] > 2 * 32 and not said(listening)
    listening.model.value = "one"
    assert {w.layout.display for w in listening.told.values()} == {"none"}
    assert listening.drawing.year is None
    listening.model.value = "more"
    assert listening.drawing.year == 1985


def test_a_year_between_years_of_a_saved_picture_is_shown(listening):
    listening.show(Request((3,), listening.drawing.features, year=1999.5))
    assert listening.drawing.year == 1999.5


@pytest.mark.parametrize("name", ["film.gif", "film.mp4"])
def test_key_frames_become_a_film(explorer, name):
    explorer.keep.click()
    explorer.sliders[ENERGY].value = 0.9
    explorer.seed.value = 5
    explorer.keep.click()
    assert explorer.state.value == "key frames: 2"
    explorer.film_name.value = name
    explorer.film.click()
    explorer.wait()
    assert not said(explorer) and explorer.state.value == f"saved {name}"
    assert (explorer.folder / name).stat().st_size > 1000
    assert explorer.progress.value == explorer.progress.max == 49
    explorer.forget.click()
    explorer.film.click()
    assert "two drawings" in said(explorer)
    assert lives(explorer)


def test_a_cover_is_projected_with_progress_and_its_curve(explorer, coverset):
    file = io.BytesIO()
    Image.fromarray(coverset.images[0]).save(file, "PNG")
    explorer.open(file.getvalue())
    explorer.wait()
    assert explorer.progress.value == explorer.progress.max == 150
    assert "<polyline" in explorer.curve.value and not explorer.message.value
    projected = explorer.picture.value
    explorer.save.click()
    explorer.next.click()  # a seed again
    assert explorer.wait().picture.value != projected
    explorer.open((explorer.folder / "cover.png").read_bytes())
    assert explorer.wait().picture.value == projected


def test_nearest_training_covers_are_the_nearest(explorer, coverset):
    explorer.neighbours.value = True
    explorer.wait()
    assert Image.open(io.BytesIO(explorer.nearest.value)).size == (5 * 32, 32)
    near = explorer._nearest(coverset.images[13])
    assert (near[0] == coverset.images[13]).all()


# What goes wrong --------------------------------------------------------------------------------


def bomb() -> bytes:
    file = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(file, "PNG")  # 100 megapixels
    return file.getvalue()


def test_a_feature_out_of_range_is_told_and_left(explorer):
    energy = explorer.sliders[ENERGY].value
    explorer.numbers[ENERGY].value = 1.7
    assert "energy is from 0 to 1 (share), not 1.7" in said(explorer)
    assert explorer.sliders[ENERGY].value == energy
    assert lives(explorer)


def test_a_picture_that_was_under_way_does_not_hide_what_is_told(explorer):
    gate = threading.Event()
    explorer.newest.ask(gate.wait)
    explorer.sliders[ENERGY].value = 0.9  # its picture waits behind the gate
    explorer.numbers[ENERGY].value = 1.7
    gate.set()
    assert "energy is from 0 to 1" in said(explorer)
    assert lives(explorer)


def test_an_unknown_album_is_told(explorer):
    explorer.kind.value = "albums"
    explorer.search.value = "no such thing"
    assert "no album has" in said(explorer) and explorer.found.options == ()
    assert lives(explorer)


def test_a_slider_stops_a_film_and_leaves_no_file(explorer, monkeypatch):
    begun, told = threading.Event(), threading.Event()
    report = explorer._progressed

    def held(*done):
        begun.set()
        told.wait()
        report(*done)

    monkeypatch.setattr(explorer, "_progressed", held)
    explorer.keep.click()
    explorer.sliders[ENERGY].value = 0.9
    explorer.keep.click()
    explorer.film.click()
    assert begun.wait(60)
    explorer.sliders[ENERGY].value = 0.2
    told.set()
    assert not said(explorer) and explorer.progress.layout.visibility == "hidden"
    assert not list(explorer.folder.glob("*film*"))
    assert lives(explorer)


@pytest.mark.parametrize("data", [b"", b"not a picture", bomb()], ids=["empty", "corrupt", "bomb"])
def test_a_bad_upload_is_told(explorer, data):
    explorer.open(data)
    assert "cannot be used" in said(explorer)
    assert lives(explorer)


def test_an_unknown_song_is_told(explorer):
    explorer.search.value = "<no such thing>"
    assert "&lt;no such thing&gt;" in said(explorer) and explorer.found.options == ()
    assert lives(explorer)


def test_a_missing_checkpoint_is_told_and_the_old_one_stays(explorer):
    explorer.model.value = "missing"
    assert "no checkpoint" in said(explorer) and explorer.model.value == "one"
    assert lives(explorer)


def test_another_checkpoint_draws_the_same_seed_and_a_saved_picture_knows_its_own(explorer):
    one = explorer.picture.value
    explorer.save.click()
    explorer.model.value = "two"
    assert explorer.wait().picture.value != one
    explorer.open((explorer.folder / "cover.png").read_bytes())
    assert "drawn by model" in said(explorer)
    explorer.model.value = "one"
    assert explorer.wait().picture.value == one


def test_two_checkpoints_stand_side_by_side_at_the_same_latents(explorer):
    alone = shown(explorer)
    explorer.beside.value = "two"
    both = shown(explorer)
    assert both.shape == (32, 68, 3)
    explorer.beside.value = ""
    explorer.model.value = "two"
    for part, single in ((both[:, :32], alone), (both[:, 36:], shown(explorer))):
        assert np.abs(part[:, 2:-2].astype(int) - single[:, 2:-2]).mean() < 12
    explorer.beside.value = "missing"
    assert "no checkpoint" in said(explorer) and explorer.beside.value == ""
    assert lives(explorer)


def test_a_feature_that_the_data_lacks_does_no_harm(models, coverset, tmp_path, silent):
    table = coverset.table.assign(popularity=np.nan)
    tracks = coverset.tracks.assign(popularity=np.nan)
    lacking = CoverSet(coverset.images, table, tracks, {})
    explorer = Explorer(models, lacking, tmp_path)
    explorer.together.value = True
    explorer.sliders[ENERGY].value = 0.7
    explorer.found.value = 5
    assert not said(explorer) and lives(explorer)


def test_a_checkpoint_without_labels_says_so_and_still_draws(explorer):
    explorer.model.value = "plain"
    before = explorer.wait().picture.value
    assert explorer.sliders[0].disabled and "without labels" in explorer.together.description
    explorer.next.click()
    assert explorer.wait().picture.value != before
    explorer.model.value = "one"
    assert not explorer.sliders[0].disabled and lives(explorer)


@pytest.mark.parametrize(
    ("name", "words"), [("a.xyz", "must end in"), ("x" * 300 + ".png", "File name too long")]
)
def test_a_bad_file_name_is_told(explorer, name, words):
    explorer.name.value = name
    explorer.save.click()
    assert words in said(explorer)
    assert lives(explorer)


def test_a_seed_below_zero_is_told(explorer):
    explorer.seed.value = -3
    assert "seeds are whole numbers" in said(explorer)


# The thread and the page ------------------------------------------------------------------------


def test_the_newest_request_wins():
    newest, started, gate, done = LatestOnly(), threading.Event(), threading.Event(), []
    newest.ask(lambda: (started.set(), gate.wait()))
    assert started.wait(60)  # else the first request, too, would be replaced by a newer one
    for number in range(50):
        newest.ask(lambda number=number: done.append(number))
    with pytest.raises(Stopped):
        newest.check()
    gate.set()
    assert newest.wait() and done == [49]
    newest.check()


def test_it_shows_itself_with_a_still_for_those_without_widgets(explorer):
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert Image.open(io.BytesIO(bundle["image/jpeg"])).width > 600


def test_the_distribution_behind_a_slider_counts_real_values():
    picture = histogram(np.array([0.0, 0.0, 0.0, 0.0, 1.0, np.nan]), 0, 1, bins=2)
    assert 'height="30.0"' in picture and 'height="15.0"' in picture
