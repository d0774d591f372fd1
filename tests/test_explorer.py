import base64
import io
import re
import threading
from dataclasses import replace
from datetime import datetime

import ipywidgets as widgets
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from albumlib import features
from albumlib.dataset.coverset import CoverSet
from albumlib.explorer import uploads
from albumlib.explorer.app import Explorer
from albumlib.explorer.controls import histogram
from albumlib.explorer.latest_only import LatestOnly, Stopped
from albumlib.explorer.pickers import average
from albumlib.explorer.state import History, Shown, Stars, unused
from albumlib.features import FEATURES, NAMES
from albumlib.models import checkpoint
from albumlib.models.networks import Generator
from albumlib.sampling import latent
from albumlib.sampling import request as requests
from albumlib.sampling.request import Request
from tests.test_music import clicks, encode

PATIENCE = 240  # seconds for long work on a busy machine
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
    return np.asarray(Image.open(io.BytesIO(explorer.wait().view.picture.value)))


def said(explorer) -> str:
    explorer.wait()
    return explorer.view.message.value


def lives(explorer) -> bool:
    """Whether the picture still follows a slider, which clears what was said."""
    before = explorer.wait().view.picture.value
    explorer.features.sliders[0].value = 99.0 - explorer.features.sliders[0].value
    return explorer.wait().view.picture.value != before and not explorer.view.message.value


# Sliders ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", range(10))
def test_each_feature_changes_the_picture_to_what_the_generator_draws(explorer, column):
    feature = FEATURES[column]
    before = explorer.view.picture.value
    explorer.features.sliders[column].value = feature.high
    assert explorer.wait().view.picture.value != before
    assert explorer.features.numbers[column].value == feature.high
    label = features.to_unit(np.array([slider.value for slider in explorer.features.sliders]))
    z = latent.latents(explorer.generator, explorer.latents.seed.value)
    expected = latent.draw(explorer.generator, z, label)
    assert (shown(explorer) == requests.enlarge(expected, 640)[0]).all()


def test_what_a_browser_rounds_to_whole_steps_stays_as_it_was_set(explorer):
    values = (41.3, 0.1361, 0.6359, 0.7332, 0.0605, 0.2085, -6.0314, 0.1072, 121.29, 0.5026)
    wanted = replace(explorer.request, features=values)
    explorer.show(wanted)
    for slider in explorer.features.sliders:
        slider.value = slider.min + round((slider.value - slider.min) / slider.step) * slider.step
    assert explorer.wait().request == wanted
    slider = explorer.features.sliders[ENERGY]
    slider.value += slider.step
    assert explorer.request.features[ENERGY] == slider.value
    explorer.features.numbers[ENERGY].value = 0.7401  # less than a step, but typed
    assert explorer.request.features[ENERGY] == 0.7401


def test_related_features_follow_when_asked(explorer):
    loudness = explorer.features.sliders[LOUDNESS].value
    explorer.features.sliders[ENERGY].value = 0.6
    assert explorer.features.sliders[LOUDNESS].value == loudness
    explorer.features.together.value = True
    explorer.features.sliders[ENERGY].value = 0.7
    # energy +0.1 is +0.2 of [-1, 1], loudness follows by half of that: 0.1 of 65 / 2 dB
    assert explorer.features.sliders[LOUDNESS].value - loudness == pytest.approx(3.25, rel=0.05)
    shown = pytest.approx(explorer.features.sliders[LOUDNESS].value, rel=1e-3)
    assert explorer.features.numbers[LOUDNESS].value == shown


def test_seeds_go_on_by_as_many_as_are_shown_and_back(explorer):
    first = shown(explorer)
    explorer.latents.grid.value = 4
    sheet = shown(explorer)
    assert sheet.shape == first.shape == (640, 640, 3)
    small = requests.enlarge(explorer.request.draw(explorer.generator), 320)[0]
    assert (sheet[:320, :320] == small).all()
    explorer.latents.next.click()
    assert explorer.latents.seed.value == 2025 and (shown(explorer) != sheet).any()
    explorer.latents.previous.click()
    assert explorer.latents.seed.value == 2021 and (shown(explorer) == sheet).all()


def test_truncation_and_directions_change_the_picture_and_reset_restores_it(explorer):
    explorer.reset.click()
    start = explorer.wait().view.picture.value
    for slider, value in ((explorer.latents.truncation, 0.3), (explorer.latents.steps[2], 1.5)):
        before = explorer.wait().view.picture.value
        slider.value = value
        assert explorer.wait().view.picture.value != before
    explorer.reset.click()
    assert explorer.wait().view.picture.value == start


# Songs and albums -------------------------------------------------------------------------------


def test_a_song_is_searched_and_chosen(explorer, coverset):
    explorer.picker.search.value = "SONG 17"
    found = [words for words, _ in explorer.picker.found.options]
    assert found[0] == "song 17, by somebody (album 5)"
    assert all("17" in words for words in found)
    explorer.picker.found.value = 17
    asked = [slider.value for slider in explorer.features.sliders]
    assert np.allclose(asked, coverset.tracks.loc[17, list(NAMES)].astype(float), atol=1e-4)


def test_an_album_is_averaged_in_three_ways(explorer, coverset):
    explorer.picker.kind.value = "albums"
    explorer.picker.search.value = "album 7"
    explorer.picker.found.value = explorer.picker.found.options[0][1]
    songs = coverset.tracks[coverset.tracks["row"] == 7][list(NAMES)]
    asked = [slider.value for slider in explorer.features.sliders]
    assert np.allclose(asked, songs.mean(), atol=1e-4)
    for way in ("medoid", "most typical song"):
        explorer.picker.average.value = way
        asked = np.array([slider.value for slider in explorer.features.sliders])
        assert np.isclose(songs, asked, atol=1e-4).all(1).any()


def test_averages_of_one_song_are_the_song():
    labels = np.random.default_rng(0).uniform(-1, 1, (1, 10)).astype(np.float32)
    for way in ("mean", "medoid", "most typical song"):
        assert np.allclose(average(labels, way, np.ones(10)), labels[0])


# Files ------------------------------------------------------------------------------------------


def test_a_saved_picture_is_opened_and_gives_the_identical_picture(explorer, tmp_path):
    explorer.features.sliders[ENERGY].value, explorer.latents.truncation.value = 0.9, 0.8
    explorer.latents.steps[0].value, explorer.latents.grid.value = 1.5, 9
    explorer.latents.seed.value = 77
    picture = explorer.wait().view.picture.value
    explorer.files.save.click()
    assert "saved cover.png" in explorer.view.state.value
    saved = (tmp_path / "cover.png").read_bytes()
    explorer.reset.click()
    explorer.latents.seed.value = 1
    assert explorer.wait().view.picture.value != picture
    explorer.upload.value = (FILE | {"content": memoryview(saved)},)
    assert explorer.wait().view.picture.value == picture
    explorer.files.name.value = "again.png"
    explorer.files.save.click()
    assert (tmp_path / "again.png").read_bytes() == saved


@pytest.fixture
def conditioned(models, coverset, tmp_path):
    """An explorer of a model that is conditioned on a year, text and titles too, and of another."""
    torch.manual_seed(9)
    more = {"extras": ("year", "text"), "words": ("rain",), "titles": "both"}
    generator = Generator(32, 16, 12, 4, **more)
    checkpoint.save_generator(tmp_path / "more.safetensors", generator, {})
    files = {"more": tmp_path / "more.safetensors", "one": models["one"]}
    return Explorer(files, coverset, tmp_path).wait()


def test_year_title_and_text_move_a_model_that_is_conditioned_on_them(conditioned):
    pictures = [conditioned.wait().view.picture.value]
    for name, value in (("year", 1985), ("title", "Rain"), ("text", False)):
        conditioned.extras.widgets[name].value = value
        pictures.append(conditioned.wait().view.picture.value)
    assert len(set(pictures)) == 4
    wanted = conditioned.request
    assert (wanted.year, wanted.title, wanted.text) == (1985, "Rain", False)
    drawn = wanted.draw(conditioned.generator)[0]
    assert (shown(conditioned) == requests.enlarge(drawn[None], 640)[0]).all()
    conditioned.files.save.click()
    saved = (conditioned.files.folder / "cover.png").read_bytes()
    for name, value in (("year", "any"), ("title", ""), ("text", "any")):
        conditioned.extras.widgets[name].value = value
    assert conditioned.wait().view.picture.value == pictures[0]
    assert conditioned.request.year is None and conditioned.request.text is None
    conditioned.open(saved)
    assert conditioned.wait().view.picture.value == pictures[3] and conditioned.request == wanted


def test_a_model_without_conditions_hides_them_and_stands_beside_one_that_has_them(conditioned):
    conditioned.extras.widgets["year"].value = 1985
    conditioned.beside.value = "one"
    assert shown(conditioned).shape[1] > 2 * 640 and not said(conditioned)
    conditioned.model.value = "one"
    assert {w.layout.display for w in conditioned.extras.widgets.values()} == {"none"}
    assert conditioned.request.year is None
    conditioned.model.value = "more"
    assert conditioned.request.year == 1985


def test_a_year_between_years_of_a_saved_picture_is_shown(conditioned):
    conditioned.show(Request((3,), conditioned.request.features, year=1999.5))
    assert conditioned.request.year == 1999.5


@pytest.mark.parametrize("name", ["video.gif", "video.webp", "video.mp4"])
def test_starred_covers_become_a_video(explorer, name):
    explorer.files.video.click()
    assert "two covers" in said(explorer)
    for seed in (1, 5):
        explorer.latents.seed.value = seed
        explorer.wait().strip.star.click()
    assert "2 starred covers" in explorer.files.key_frames.value
    explorer.files.video_name.value = name
    explorer.wait().files.video.click()
    explorer.wait()
    assert not said(explorer) and f"saved {name}" in explorer.view.state.value
    assert f'download="{name}"' in explorer.files.link.value
    assert (explorer.files.folder / name).stat().st_size > 1000
    assert explorer.view.progress.value == explorer.view.progress.max == 49
    assert lives(explorer)


def test_a_cover_is_projected_with_progress_and_its_curve(explorer, coverset):
    file = io.BytesIO()
    Image.fromarray(coverset.images[0]).save(file, "PNG")
    explorer.open(file.getvalue())
    explorer.wait()
    assert explorer.view.progress.value == explorer.view.progress.max == 150
    assert "<polyline" in explorer.view.outcome.value and not explorer.view.message.value
    projected = explorer.view.picture.value
    explorer.files.save.click()
    explorer.latents.next.click()  # a seed again
    assert explorer.wait().view.picture.value != projected
    explorer.open((explorer.files.folder / "cover.png").read_bytes())
    assert explorer.wait().view.picture.value == projected


def test_nearest_training_covers_are_the_nearest(explorer, coverset):
    explorer.view.neighbours.value = True
    explorer.wait()
    assert Image.open(io.BytesIO(explorer.view.nearest.value)).size == (5 * 32, 32)
    near = explorer._nearest(coverset.images[13])
    assert (near[0] == coverset.images[13]).all()


def test_a_second_save_does_not_overwrite_the_first(explorer, tmp_path):
    for seed in (1, 2, 3):
        explorer.latents.seed.value = seed
        explorer.files.save.click()
    names = ("cover.png", "cover-2.png", "cover-3.png")
    assert [requests.load(tmp_path / name).seeds for name in names] == [(1,), (2,), (3,)]
    assert unused(tmp_path / "cover.png").name == "cover-4.png"


def test_a_print_of_3000_pixels_opens_to_the_identical_recipe(explorer, tmp_path):
    explorer.features.sliders[ENERGY].value = 0.9
    explorer.files.size.value = 3000
    explorer.files.save.click()
    assert Image.open(tmp_path / "cover.png").size == (3000, 3000)
    saved = requests.load(tmp_path / "cover.png", explorer.generator)
    assert saved == replace(explorer.request, model=saved.model)
    assert str(tmp_path) in explorer.files.link.value


def test_a_link_holds_the_whole_file(explorer, tmp_path):
    explorer.files.save.click()
    packed = re.search(r"base64,([^\"]+)", explorer.files.link.value)[1]
    assert base64.b64decode(packed) == (tmp_path / "cover.png").read_bytes()
    explorer.files.largest_link = 10
    explorer.files.offer(tmp_path / "cover.png")
    assert "base64" not in explorer.files.link.value and str(tmp_path) in explorer.files.link.value


def test_a_photograph_that_is_not_square_is_cropped(explorer, tmp_path):
    file = io.BytesIO()
    Image.linear_gradient("L").resize((300, 90)).convert("RGB").save(file, "JPEG")
    explorer.open(file.getvalue())
    assert not said(explorer) and "<polyline" in explorer.view.outcome.value


def test_undo_and_redo_go_through_what_was_shown(explorer):
    pictures = [explorer.wait().view.picture.value]
    explorer.history._last = float("-inf")  # as after a while
    explorer.features.sliders[ENERGY].value = 0.9
    pictures.append(explorer.wait().view.picture.value)
    assert explorer.redo.disabled and not explorer.undo.disabled
    explorer.undo.click()
    assert explorer.wait().view.picture.value == pictures[0]
    assert explorer.undo.disabled and not explorer.redo.disabled
    explorer.undo.click()
    assert explorer.wait().view.picture.value == pictures[0]
    explorer.redo.click()
    assert explorer.wait().view.picture.value == pictures[1]


def test_history_takes_a_drag_as_one_and_forgets_what_was_undone():
    history, shown = History(), [Shown(Request((seed,))) for seed in range(6)]
    for one, now in zip(shown[:5], (0, 10, 10.2, 10.9, 20), strict=True):
        history.add(one, now)
    assert history.covers == [shown[0], shown[3], shown[4]]
    assert history.go(0) == shown[0].request and history.go(-1) is None
    history.add(shown[0], 20.1)
    history.add(shown[5], 20.2)
    assert history.covers == [shown[0], shown[5]] and history.go(2) is None


def test_history_forgets_what_was_long_ago():
    history = History()
    for seed in range(100):
        history.add(Shown(Request((seed,))), 10.0 * seed)
    assert [one.request.seeds[0] for one in history.covers] == [*range(40, 100)]
    assert history.go(history.place).seeds == (99,)


# Stars ------------------------------------------------------------------------------------------


def looked_at(explorer, *seeds) -> None:
    """Covers of these seeds, one after the other."""
    for seed in seeds:
        explorer.wait().history._last = float("-inf")  # as after a while
        explorer.latents.seed.value = seed
    explorer.wait()


def thumbs(explorer) -> list[str]:
    """What the strip says, oldest first."""
    return [
        thumb.button.tooltip
        for thumb in explorer.strip.thumbs[: len(explorer.strip.widget.children)]
    ]


def test_the_strip_shows_what_was_shown_and_a_click_goes_back(explorer):
    looked_at(explorer, 5, 6)
    assert thumbs(explorer) == ["cover 1", "cover 2", "cover 3, shown"]
    picture = Image.open(io.BytesIO(explorer.strip.thumbs[1].picture.value))
    seen = explorer.history.covers[1].request.draw(explorer.generator)[0]
    assert (np.asarray(picture) == seen).all()
    explorer.strip.thumbs[1].button.click()
    assert explorer.wait().request.seeds == (5,)
    assert thumbs(explorer) == ["cover 1", "cover 2, shown", "cover 3"]
    looked_at(explorer, 7)
    assert thumbs(explorer) == ["cover 1", "cover 2", "cover 3, shown"]
    assert explorer.strip.thumbs[2].picture.value != picture


def test_stars_stay_for_the_next_visit_and_for_their_model(explorer, models, coverset, tmp_path):
    looked_at(explorer, 5)
    explorer.strip.star.click()
    wanted = explorer.request
    assert thumbs(explorer) == ["cover 1", "cover 2, starred, shown"]
    assert explorer.strip.star.description == "★ starred"
    looked_at(explorer, 6)
    assert explorer.strip.star.description == "☆ star"
    again = Explorer(models, coverset, tmp_path).wait()
    assert thumbs(again) == ["cover 1, starred", "cover 2, shown"]
    again.strip.thumbs[0].button.click()
    assert again.wait().request == wanted
    again.model.value = "two"
    assert thumbs(again.wait()) == ["cover 1, shown"]
    again.model.value = "one"
    again.wait().strip.thumbs[0].button.click()
    again.wait().strip.star.click()  # which takes it away
    assert thumbs(Explorer(models, coverset, tmp_path).wait()) == ["cover 1, shown"]


def test_two_pages_keep_each_others_stars(tmp_path):
    first, second = (Stars(tmp_path / "stars.json", "model") for _ in range(2))
    first.toggle(Request((1,)))
    second.toggle(Request((2,), z=(0.1, 0.2), layout="rings", year=1999.5))
    found = Stars(tmp_path / "stars.json", "model").requests
    assert found == second.requests and [one.seeds for one in found] == [(1,), (2,)]


@pytest.mark.parametrize("text", ["", "[1]", '{"a": [{"seeds": []}]}', '{"a": 3}', "\x00"])
def test_a_spoilt_file_of_stars_is_named_and_left_alone(models, coverset, tmp_path, text):
    (tmp_path / "stars.json").write_text(text)
    explorer = Explorer(models, coverset, tmp_path).wait()
    explorer.strip.star.click()
    assert "does not hold stars" in said(explorer) and lives(explorer)
    assert (tmp_path / "stars.json").read_text() == text


# Layouts ----------------------------------------------------------------------------------------


@pytest.fixture
def laid_out(models, coverset, tmp_path):
    """An explorer of a model that is conditioned on two layouts, and of one that is not."""
    torch.manual_seed(9)
    generator = Generator(32, 16, 12, 4, extras=("layout_rings", "layout_dots"))
    checkpoint.save_generator(tmp_path / "laid.safetensors", generator, {})
    files = {"laid": tmp_path / "laid.safetensors", "one": models["one"]}
    return Explorer(files, coverset, tmp_path).wait()


def test_a_layout_is_chosen_undone_saved_and_starred(laid_out, tmp_path):
    layout = laid_out.extras.widgets["layout"]
    assert layout.options == (("any", ""), ("rings", "rings"), ("dots", "dots"))
    pictures = [laid_out.view.picture.value]
    for name in ("rings", "dots"):
        laid_out.history._last = float("-inf")
        layout.value = name
        pictures.append(laid_out.wait().view.picture.value)
    assert pictures[1] != pictures[2] and laid_out.request.layout == "dots"
    laid_out.files.save.click()
    laid_out.strip.star.click()
    laid_out.undo.click()
    assert layout.value == "rings" and laid_out.wait().view.picture.value == pictures[1]
    laid_out.undo.click()
    assert layout.value == "" and laid_out.wait().view.picture.value == pictures[0]
    laid_out.open((tmp_path / "cover.png").read_bytes())
    assert layout.value == "dots" and laid_out.wait().view.picture.value == pictures[2]
    assert requests.load(tmp_path / "cover.png").layout == "dots"
    assert [one.layout for one in laid_out.stars.requests] == ["dots"]


def test_a_model_without_layouts_offers_none_and_an_unknown_one_is_named(laid_out):
    laid_out.extras.widgets["layout"].value = "dots"
    wanted = replace(
        laid_out.request, layout="hexagons", model=requests.fingerprint(laid_out.generator)
    )
    laid_out._guarded(uploads.reopen, laid_out, wanted)
    assert "knows no layout" in said(laid_out) and lives(laid_out)
    laid_out.model.value = "one"
    assert laid_out.extras.widgets["layout"].layout.display == "none"
    assert laid_out.request.layout == "" and not said(laid_out)


def test_a_surprise_leaves_the_layout_to_chance(laid_out):
    laid_out.extras.widgets["layout"].value = "dots"
    laid_out.ideas.surprise.click()
    assert laid_out.request.layout == ""


def test_what_was_limited_is_said(explorer):
    explorer.generator.scale.learned[:] = torch.tensor([[-0.5], [0.5]])
    explorer.features.sliders[ENERGY].value = 1.0
    assert "outside of what this model learned" in explorer.wait().view.note.value
    explorer.features.sliders[ENERGY].value = 0.5
    assert "energy" not in explorer.wait().view.note.value


def test_everything_that_can_be_moved_has_a_name(explorer):
    skipped = (widgets.Box, widgets.HTML, widgets.Label, widgets.Image)
    left, unnamed = [explorer.widget], []
    while left:
        widget = left.pop()
        left += getattr(widget, "children", ())
        if not isinstance(widget, skipped) and not getattr(widget, "tooltip", None):
            unnamed.append(widget)
    assert not unnamed
    explorer.features.sliders[ENERGY].value = 0.9
    assert "energy 0.9" in explorer.wait().view.description.value


# What goes wrong --------------------------------------------------------------------------------


def bomb() -> bytes:
    file = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(file, "PNG")  # 100 megapixels
    return file.getvalue()


def test_a_feature_out_of_range_is_refused_in_a_sentence(explorer):
    energy = explorer.features.sliders[ENERGY].value
    explorer.features.numbers[ENERGY].value = 1.7
    assert "energy is from 0 to 1, not 1.7" in said(explorer)
    assert explorer.features.sliders[ENERGY].value == energy
    assert explorer.features.numbers[ENERGY].value == pytest.approx(energy, rel=1e-3)
    assert lives(explorer)


def test_a_picture_that_was_under_way_does_not_hide_an_error(explorer):
    gate = threading.Event()
    explorer.newest.ask(gate.wait)
    explorer.features.sliders[ENERGY].value = 0.9  # its picture waits behind the gate
    explorer.features.numbers[ENERGY].value = 1.7
    gate.set()
    assert "energy is from 0 to 1" in said(explorer)
    assert lives(explorer)


def test_an_unknown_album_is_named(explorer):
    explorer.picker.kind.value = "albums"
    explorer.picker.search.value = "no such thing"
    assert "no album has" in said(explorer) and explorer.picker.found.options == ()
    assert lives(explorer)


@pytest.fixture
def held(explorer, monkeypatch):
    """A video of this explorer that has begun and waits; calling it lets it go on."""
    begun, gate = threading.Event(), threading.Event()
    report = explorer.progressed

    def wait_first(*done):
        begun.set()
        gate.wait()
        report(*done)

    monkeypatch.setattr(explorer, "progressed", wait_first)
    looked_at(explorer, 5)
    explorer.files.video.click()
    assert begun.wait(60)
    return gate.set


def test_a_slider_moves_the_cover_while_a_video_is_made(explorer, held):
    before = explorer.view.picture.value
    explorer.features.sliders[ENERGY].value = 0.2
    explorer.newest.wait()
    assert explorer.view.picture.value != before
    assert explorer.view.working.layout.display is None
    held()
    assert not said(explorer) and (explorer.files.folder / "video.mp4").exists()


def test_a_video_can_be_stopped_and_leaves_no_file(explorer, held):
    explorer.view.stop.click()
    held()
    assert not said(explorer) and explorer.view.working.layout.display == "none"
    assert not list(explorer.files.folder.glob("*video*"))
    assert lives(explorer)


@pytest.mark.parametrize("data", [b"", b"not a picture", bomb()], ids=["empty", "corrupt", "bomb"])
def test_a_bad_upload_is_refused(explorer, data):
    explorer.open(data)
    assert "cannot be used" in said(explorer)
    assert lives(explorer)


def test_an_unknown_song_is_named(explorer):
    explorer.picker.search.value = "<no such thing>"
    assert "&lt;no such thing&gt;" in said(explorer) and explorer.picker.found.options == ()
    assert lives(explorer)


def test_a_missing_checkpoint_is_named_and_the_old_one_stays(explorer):
    explorer.model.value = "missing"
    assert "no checkpoint" in said(explorer) and explorer.model.value == "one"
    assert lives(explorer)


def test_a_saved_picture_is_opened_with_the_model_that_made_it(explorer, models, tmp_path):
    one = explorer.wait().view.picture.value
    explorer.files.save.click()
    saved = (explorer.files.folder / "cover.png").read_bytes()
    explorer.model.value = "two"
    assert explorer.wait().view.picture.value != one
    explorer.open(saved)
    assert explorer.model.value == "one" and explorer.wait().view.picture.value == one
    stranger = Explorer({"two": models["two"]}, explorer.coverset, tmp_path)
    stranger.open(saved)
    assert "which is not here" in said(stranger) and lives(stranger)


def test_two_checkpoints_stand_side_by_side_at_the_same_latents(explorer):
    alone = shown(explorer)
    explorer.beside.value = "two"
    both = shown(explorer)
    assert both.shape == (640, 640 + 80 + 640, 3)
    explorer.beside.value = ""
    explorer.model.value = "two"
    assert (both[:, :640] == alone).all() and (both[:, -640:] == shown(explorer)).all()
    explorer.beside.value = "missing"
    assert "no checkpoint" in said(explorer) and explorer.beside.value == ""
    assert lives(explorer)


def test_a_feature_that_the_data_lacks_does_no_harm(models, coverset, tmp_path, silent):
    table = coverset.table.assign(popularity=np.nan)
    tracks = coverset.tracks.assign(popularity=np.nan)
    lacking = CoverSet(coverset.images, table, tracks, {})
    explorer = Explorer(models, lacking, tmp_path)
    explorer.features.together.value = True
    explorer.features.sliders[ENERGY].value = 0.7
    explorer.picker.found.value = 5
    assert not said(explorer) and lives(explorer)


def test_a_checkpoint_without_labels_says_so_and_still_draws(explorer):
    explorer.model.value = "plain"
    before = explorer.wait().view.picture.value
    assert (
        explorer.features.sliders[0].disabled
        and "without labels" in explorer.features.explanation.value
    )
    explorer.latents.next.click()
    assert explorer.wait().view.picture.value != before
    explorer.model.value = "one"
    assert not explorer.features.sliders[0].disabled and lives(explorer)


@pytest.mark.parametrize(
    ("name", "words"), [("a.xyz", "must end in"), ("x" * 300 + ".png", "File name too long")]
)
def test_a_bad_file_name_is_refused(explorer, name, words):
    explorer.files.name.value = name
    explorer.files.save.click()
    assert words in said(explorer)
    assert lives(explorer)


def test_a_seed_below_zero_is_refused(explorer):
    explorer.latents.seed.value = -3
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


def test_a_song_moves_the_sliders_and_what_stays_at_the_mean_is_said(explorer, tmp_path):
    song = encode(tmp_path / "drums.flac", clicks(120))
    explorer.upload.value = (
        FILE | {"name": "drums.flac", "content": memoryview(song.read_bytes())},
    )
    assert explorer.slow.wait(PATIENCE)
    assert explorer.wait().features.values[8] == pytest.approx(120, rel=0.02)
    words = explorer.view.outcome.value
    assert "drums.flac: measured are" in words and "At the mean" in words
    assert "valence" in words.partition("At the mean")[2]
    explorer.open(b"no music", "noise.mp3")
    assert explorer.slow.wait(PATIENCE)
    assert "no sound" in said(explorer)


def test_a_playlist_becomes_a_sheet_and_a_file_for_each_song(explorer):
    explorer.open(b"name,energy\none,0.2\ntwo,0.9\nthree,9\n", "songs.csv")
    assert explorer.slow.wait(PATIENCE)
    words = explorer.view.outcome.value
    assert "covers drawn: 2" in words and "rows rejected: 1" in words and "tempo (2)" in words
    assert "<img" in words and "songs.zip" in explorer.files.link.value
    assert len([*(explorer.files.folder / "songs").glob("*.png")]) == 2
    explorer.open(b"nothing here", "odd.csv")
    assert said(explorer)


def test_a_mood_moves_the_sliders_and_keeps_the_seed_and_a_surprise_does_not(explorer):
    seed = explorer.latents.seed.value
    explorer.ideas.moods["wild"].click()
    rows = features.from_unit(explorer.coverset.labels[explorer.rows])
    assert explorer.features.values[ENERGY] == pytest.approx(np.percentile(rows[:, ENERGY], 97))
    assert explorer.latents.seed.value == seed
    explorer.ideas.surprise.click()
    found = np.abs(rows - explorer.features.values).max(1).min()
    assert found < 0.2 and explorer.latents.seed.value != seed
