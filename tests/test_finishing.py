import json
import re
import xml.etree.ElementTree as ET
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from albumlib.__main__ import app
from albumlib.cli.covers import FinishName, StyleName
from albumlib.models import checkpoint
from albumlib.models.networks import Generator
from albumlib.sampling import finishing, request
from albumlib.sampling.captions import MARGIN, SMALLEST, STYLES, CaptionError, block
from albumlib.sampling.finishing import FINISHES, Finish, finished
from albumlib.sampling.generate import SHEET
from albumlib.sampling.placement import contrast, place
from albumlib.sampling.request import Request, RequestError
from albumlib.sampling.texture import halftone, riso
from albumlib.sampling.tracing import flatten, trace
from albumlib.sources.imprint.colour import from_oklab, relative_luminance, to_oklab
from albumlib.sources.imprint.typography import READABLE

pytest.importorskip("vtracer")
pytest.importorskip("resvg_py")
vector = pytest.importorskip("albumlib.sampling.vector")
SVG = "{http://www.w3.org/2000/svg}"
WORDS = st.text(st.sampled_from("abcXYZ éÆß'&<>-.0123456789"), max_size=60)
COLOUR = st.tuples(*[st.integers(0, 255)] * 3)


def disc(size: int = 64, ground=(20, 60, 200), figure=(250, 200, 40)) -> np.ndarray:
    """A cover with one disc, its edge smooth."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    share = ((0.3 - np.hypot(x - 0.5, y - 0.4)) * size + 0.5).clip(0, 1)[..., None]
    mixed = share * np.array(figure) + (1 - share) * np.array(ground)
    return mixed.round().astype(np.uint8)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator(32, 16, 10, 4).eval().requires_grad_(False)


def least_contrast(caption, pixels: np.ndarray) -> float:
    """The least contrast of any of a caption's lines with any pixel of its box on a picture
    (S, S, 3) without the caption, or with its panel if there is one."""
    left, top, right, bottom = (round(len(pixels) * edge) for edge in caption.box)
    beneath = pixels[max(0, top) : bottom + 1, max(0, left) : right + 1]
    if caption.panel is not None:
        beneath = np.array([[caption.panel]], np.uint8)
    inks = relative_luminance(np.array([line.ink for line in caption.lines], np.uint8))
    return float(min(contrast(ink, relative_luminance(beneath)).min() for ink in inks))


# Colours and shapes ---------------------------------------------------------------------------


@given(st.lists(COLOUR, min_size=1, max_size=20))
def test_oklab_there_and_back_is_the_same_colour(colours):
    pixels = np.array(colours, np.uint8)
    assert (from_oklab(to_oklab(pixels)) == pixels).all()


def test_luminance_is_that_of_the_standard():
    values = relative_luminance(np.array([[0, 0, 0], [255, 255, 255], [119, 119, 119]], np.uint8))
    assert values.tolist() == pytest.approx([0, 1, 0.1845], abs=1e-4)


def test_a_disc_on_a_ground_becomes_two_colours_without_a_seam():
    indices, palette = flatten(disc())
    assert indices.shape == (512, 512) and len(palette) == 2
    assert np.abs(palette.astype(int) - [(20, 60, 200), (250, 200, 40)]).max() <= 4
    assert (indices == 1).mean() == pytest.approx(np.pi * 0.3**2, rel=0.03)


@given(COLOUR, st.integers(8, 80))
@settings(deadline=None, max_examples=3)
def test_a_cover_of_one_colour_stays_it(colour, size):
    indices, palette = flatten(np.full((size, size, 3), colour, np.uint8))
    assert len(palette) == 1 and (indices == 0).all()
    assert np.abs(palette[0].astype(int) - colour).max() <= 1


def test_the_number_of_colours_is_a_limit():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert len(flatten(noise, 4)[1]) <= 4


def test_traced_shapes_show_the_flat_picture():
    indices, palette = flatten(disc())
    svg = vector.document(trace(indices, palette))
    pixels = vector.render(svg, 512)
    assert (pixels[..., 3] == 255).all()
    far = np.abs(pixels[..., :3].astype(int) - palette[indices]).max(-1) > 8
    assert far.mean() < 0.01 and len(svg) < 10_000


@pytest.mark.parametrize("print_", [riso, halftone])
@pytest.mark.parametrize("size", [64, 301])
def test_textures_keep_the_tones_and_follow_the_seed(print_, size):
    grey = np.full((size, size, 3), 128, np.uint8)
    first, second, other = (print_(grey, seed) for seed in (1, 1, 2))
    assert first.shape == grey.shape and first.dtype == np.uint8 and (first == second).all()
    assert print_ is halftone or (first != other).any()
    assert 80 < first.mean() < 190 and first.std() > 1


# Captions -------------------------------------------------------------------------------------


@given(st.lists(COLOUR, min_size=16, max_size=16), WORDS, WORDS, st.sampled_from(list(STYLES)))
@settings(deadline=None, max_examples=20)
def test_every_pixel_beneath_has_the_contrast(colours, title, artist, style):
    picture = np.array(colours, np.uint8).reshape(4, 4, 3).repeat(40, 0).repeat(40, 1)
    palette = np.unique(picture.reshape(-1, 3), axis=0)
    caption = place(picture, palette, title, artist, style)
    if not f"{title}{artist}".strip():
        assert caption is None
        return
    assert least_contrast(caption, picture) >= READABLE
    assert min(caption.box) >= 0 and max(caption.box) <= 1


def test_noise_gets_a_panel_and_flat_colour_none():
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    palette = np.array([[190, 20, 50], [255, 246, 230]], np.uint8)
    assert place(noise, palette, "Title", "Artist", "swiss").panel is not None
    flat = np.full((200, 200, 3), palette[0], np.uint8)
    caption = place(flat, palette, "Title", "Artist", "poster")
    assert caption.panel is None and caption.lines[0].ink in {tuple(c) for c in palette.tolist()}


def test_a_caption_stands_where_nothing_goes_on():
    picture = np.full((200, 200, 3), 240, np.uint8)
    picture[:140] = np.random.default_rng(0).integers(0, 256, (140, 200, 3))
    palette = np.array([[240, 240, 240], [20, 20, 20]], np.uint8)
    for style in ("swiss", "classic", "magazine"):
        caption = place(picture, palette, "Quiet Place", "Nobody", style)
        assert caption.box[1] >= 0.69 and caption.panel is None


def ink_box(caption, size: int = 500) -> list[float]:
    """Left, top, right and bottom of what is really set, in sides of the cover."""
    shown = vector.render(vector.document("", caption), size)[..., 3] > 20
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    return [edge / size for edge in edges]


LONG = "The Unabridged and Frankly Exhausting History of Every Telephone in the Northern Kingdom"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "title", ["Ø", "Night Ferries", LONG, "Donaudampfschifffahrtsgesellschaft"]
)
def test_type_keeps_to_its_box_and_the_box_to_the_margins(style, title):
    picture = np.full((100, 100, 3), 255, np.uint8)
    caption = place(picture, picture[0, :1], title, "Sœurs Lumière", style)
    shown = ink_box(caption)
    assert all(shown[i] >= caption.box[i] - 0.004 for i in (0, 1))
    assert all(shown[i] <= caption.box[i] + 0.004 for i in (2, 3))
    assert min(shown[:2]) >= MARGIN - 0.005 and max(shown[2:]) <= 1 - MARGIN + 0.005
    assert all(line.size >= SMALLEST for line in caption.lines)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_a_long_title_is_broken_evenly_and_loses_no_word(style):
    caption = block(style, LONG, "", 1.0, "left")
    lines = [line.text for line in caption.lines]
    assert " ".join(lines).casefold() == LONG.casefold() and 2 <= len(lines) <= 8
    widths = [line.width for line in caption.lines]
    assert min(widths) > 0.3 * max(widths)


def test_a_title_too_long_to_be_read_is_refused():
    picture = np.full((64, 64, 3), 255, np.uint8)
    with pytest.raises(CaptionError, match="too long"):
        place(picture, picture[0, :1], "la " * 2000, "")


@pytest.mark.parametrize("text", ["夜の空", "Riot 🎸", "שלום"])
def test_missing_characters_are_named_once(text):
    picture = np.full((64, 64, 3), 255, np.uint8)
    with pytest.raises(CaptionError, match="no font of this package has") as error:
        place(picture, picture[0, :1], text + text, "Nobody")
    for character in set(text) - set("Riot "):
        assert str(error.value).count(character) == 1


def test_decomposed_letters_are_set_as_one():
    picture = np.full((64, 64, 3), 255, np.uint8)
    caption = place(picture, picture[0, :1], "Cafe\u0301", "", "classic")
    assert caption.lines[0].text == "Café"


# Files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["classic", "spine"])
def test_an_svg_holds_its_text_its_fonts_and_its_recipe(generator, tmp_path, style):
    words = Finish("cutout", 64, 'Fish & "Chips" <3', "Björk & Sons", style)
    path = finishing.save(tmp_path / "a.svg", Request((1,)), generator, words)
    root = ET.fromstring(path.read_bytes())
    text = " ".join(element.text for element in root.iter(f"{SVG}text")).casefold()
    assert "fish &" in text and "<3" in text and "björk & sons" in text
    assert json.loads(root.find(f"{SVG}metadata").text)["finish"]["title"] == words.title
    faces = re.findall(r"font-family: '([^']+)'", root.find(f"{SVG}style").text)
    used = {element.get("font-family").split("'")[1] for element in root.iter(f"{SVG}text")}
    assert set(faces) == used and root.findall(f".//{SVG}path")
    assert path.stat().st_size < 120_000


@pytest.mark.parametrize("finish", FINISHES)
def test_a_png_has_its_size_and_its_recipe_and_the_same_again_is_the_same_file(
    generator, tmp_path, finish
):
    how = Finish(finish, 300, "Riot", "Magnets")
    asked = Request((3,), (0.5, *[None] * 9))
    paths = [finishing.save(tmp_path / name, asked, generator, how) for name in ("a.png", "b.png")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert Image.open(paths[0]).size == (300, 300)
    assert request.load(paths[0], generator).features == asked.features
    assert Finish(**request.read_recipe(paths[0])["finish"]) == how


def test_print_size(generator, tmp_path):
    how = Finish(title="Riot", artist="Magnets")
    path = finishing.save(tmp_path / "a.png", Request((3,)), generator, how)
    with Image.open(path) as picture:
        assert picture.size == (3000, 3000) and picture.mode == "RGB"
    assert path.stat().st_size < 3_000_000


def test_a_cover_without_words_is_the_picture_alone():
    plain = finished(disc(), Finish("cutout", 200))
    assert plain.caption is None and plain.pixels.shape == (200, 200, 3)


def test_the_caption_is_on_the_finished_pixels():
    plain = finished(disc(), Finish("cutout", 400)).pixels
    cover = finished(disc(), Finish("cutout", 400, "Riot", "Magnets"))
    changed = np.argwhere((plain != cover.pixels).any(-1)) / 400
    left, top, right, bottom = cover.caption.box
    assert (changed.min(0) >= np.array((top, left)) - 0.005).all()
    assert (changed.max(0) <= np.array((bottom, right)) + 0.005).all()
    assert least_contrast(cover.caption, plain) >= READABLE


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": 63}, "from 64 to 6000"),
        ({"size": 6001}, "from 64 to 6000"),
        ({"finish": "gold"}, "no finish 'gold'; there are smooth"),
        ({"style": "comic"}, "no style of type 'comic'"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(settings, words):
    with pytest.raises(RequestError, match=words):
        Finish(**settings)


def test_an_svg_holds_one_cover_made_of_shapes(generator, tmp_path):
    for asked, how in (((1, 2), Finish("cutout", 64)), ((1,), Finish("riso", 64))):
        with pytest.raises(RequestError, match="an SVG holds one cover"):
            finishing.save(tmp_path / "a.svg", Request(asked), generator, how)


def test_the_command_knows_all_finishes_and_styles():
    assert set(get_args(FinishName)) == set(FINISHES)
    assert set(get_args(StyleName)) == set(STYLES)


# The command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(generator, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "generator.safetensors"
    checkpoint.save_generator(path, generator, {})
    return path


def run(*arguments):
    """Exit code, and what is said, of a command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout + result.stderr


PRINT = ("--finish", "cutout", "--size", 100)


def test_one_command_makes_a_finished_cover(model, tmp_path):
    words = ("--energy", 0.9, "--title", "Riot", "--artist", "Magnets", "--type", "poster")
    for name in ("a.png", "a.svg"):
        code, said = run("generate", model, *PRINT, *words, "--out", tmp_path / name)
        assert code == 0, said
    assert Image.open(tmp_path / "a.png").size == (100, 100)
    assert "RIOT</text>" in (tmp_path / "a.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(("svg", "ending"), [((), ".png"), (("--svg",), ".svg")])
def test_a_table_gives_each_song_its_cover_with_its_name(model, tmp_path, svg, ending):
    table = tmp_path / "songs.csv"
    table.write_text("name,artist,energy\nRiot,Magnets,0.9\n夜,Nobody,0.1\n", encoding="utf-8")
    out = tmp_path / "covers"
    code, said = run("generate", model, "--table", table, *PRINT, *svg, "--out", out)
    assert code == 0, said
    made = {path.name for path in out.iterdir()} - {SHEET}
    assert made == {f"1_Riot{ending}", "rejected.csv"}
    assert "夜" in (out / "rejected.csv").read_text(encoding="utf-8")
    if not svg:
        found = request.read_recipe(out / "1_Riot.png")["finish"]
        assert (found["title"], found["artist"]) == ("Riot", "Magnets")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--finish", "cutout", "--size", 9000), 1, "from 64 to 6000"),
        (("--artist", "Magnets"), 2, "need --finish"),
        ((*PRINT, "--title", "夜"), 1, "no font of this package has 夜"),
        (("--finish", "gold"), 2, "gold"),
    ],
)
def test_a_command_that_asks_too_much_says_why(model, tmp_path, options, code, words):
    found, said = run("generate", model, *options, "--out", tmp_path / "a.png")
    assert found == code and words in said and "Traceback" not in said
