import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from albumlib import features
from albumlib.models.conditions import extra_columns
from albumlib.models.networks import Generator
from albumlib.sampling import generate, request
from albumlib.sampling.request import ALBUM, SONG, Request, RequestError


def generator_of(seed: int, labels: int = 10) -> Generator:
    torch.manual_seed(seed)
    return Generator(32, 16, labels, 4).eval().requires_grad_(False)


@pytest.fixture
def generator():
    return generator_of(0)


LOUD = Request((3, 4, 5), (None, *[0.5] * 5, -7.25, 0.1, 123.4, 0.9), 0.7, (0.5, -1.25))


@pytest.mark.parametrize("size", [0, 100])
def test_a_saved_picture_opened_again_gives_the_identical_picture(generator, tmp_path, size):
    path = request.save(tmp_path / "a.png", LOUD, generator, size, columns=2)
    opened = request.load(path.read_bytes(), generator)
    again = request.save(tmp_path / "b.png", opened, generator, size, columns=2)
    pixels = [np.asarray(Image.open(file)) for file in (path, again)]
    assert (pixels[0] == pixels[1]).all() and path.read_bytes() == again.read_bytes()
    side = size or 32
    assert pixels[0].shape == (2 * side, 2 * side, 3) and (pixels[0][side:, side:] == 255).all()
    assert opened.features == LOUD.features and opened.seeds == LOUD.seeds


def test_a_projected_latent_survives_to_the_bit(generator, tmp_path):
    found = torch.rand(1, 16) * 2 - 1
    wanted = Request(z=tuple(found[0].tolist()))
    opened = request.load(request.save(tmp_path / "a.jpg", wanted, generator), generator)
    assert torch.equal(opened.latents(generator), found)


def test_a_picture_of_another_model_says_so(generator, tmp_path):
    path = request.save(tmp_path / "a.png", LOUD, generator)
    assert request.fingerprint(generator) == request.fingerprint(generator_of(0))
    with pytest.raises(RequestError, match="made by model"):
        request.load(path, generator_of(1))


@pytest.mark.parametrize("note", ["{}", "[]", "no json", json.dumps({"seeds": [1], "odd": 2})])
def test_foreign_and_damaged_pictures_are_told(tmp_path, note):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(request.KEY, note)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    for file in (tmp_path / "a.png", b"", b"nothing like a picture"):
        with pytest.raises(RequestError, match="does not say"):
            request.load(file)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"features": (None, None, None, 1.5, *[None] * 6)}, "energy is from 0 to 1"),
        ({"features": (*[None] * 6, float("-inf"), None, None, None)}, "loudness is from -60"),
        ({"seeds": (-1,)}, "seeds"),
        ({"truncation": 2.0}, "truncation"),
    ],
)
def test_the_impossible_is_refused(settings, words):
    with pytest.raises(RequestError, match=words):
        Request(**settings)


def test_steps_move_along_the_directions(generator):
    still, moved = Request((1,)), Request((1,), steps=(0, 0.1))
    change = moved.latents(generator) - still.latents(generator)
    inside = moved.latents(generator).abs() < 1
    expected = 0.1 * request.directions(generator)[1]
    torch.testing.assert_close(change[inside], expected[None][inside])


def test_labels_and_features_are_inverses():
    label = np.array([0.5, np.nan, *[-1] * 8])
    asked = Request(features=request.from_label(label))
    assert np.allclose(asked.label, label, equal_nan=True) and asked.features[1] is None
    assert asked.features[6] == features.LOW[6]


def test_enlarging_keeps_colours_and_has_limits():
    covers = np.full((2, 32, 32, 3), (10, 20, 200), np.uint8)
    assert (request.enlarge(covers, 70) == covers[0, 0, 0]).all()
    assert request.enlarge(covers, 0) is covers
    for size in (16, 100_000, -1):
        with pytest.raises(RequestError, match="size is from 32"):
            request.enlarge(covers, size)


TRACKS = pd.DataFrame(
    {
        "name": ["Harvest", "Harvest Moon", "Harvest Moon", "Été (live)", None],
        "artist": ["Young", "Young", "Other", "Zoé", "X"],
        "album": ["Harvest", "Moon", "Covers", "A", None],
    }
)


@pytest.mark.parametrize(
    ("words", "row"), [("harvest", 0), ("moon other", 2), ("ÉTÉ (", 3), ("moon young", 1)]
)
def test_one_song_is_found_by_title_and_more_words(words, row):
    assert request.the_one(TRACKS, words, SONG) == row


@pytest.mark.parametrize(("words", "said"), [("moon", "more than one song"), ("zzz", "no song")])
def test_none_or_several_are_told(words, said):
    with pytest.raises(RequestError, match=said):
        request.the_one(TRACKS, words, SONG)


def test_search_puts_exact_titles_first_and_keeps_the_limit():
    assert request.search(TRACKS, "harvest", ALBUM).tolist() == [0]
    assert request.search(TRACKS, "", SONG, limit=3).tolist() == [0, 1, 2]
    assert request.search(TRACKS, "harvest moon", SONG).tolist() == [1, 2]


def test_a_layout_is_asked_for_by_its_name(generator):
    extras = extra_columns("layout")
    knowing = Generator(32, 16, 10 + len(extras), 4, extras=extras).eval()
    row = Request(layout="dots").conditions(knowing)[0, 10:]
    assert row[extras.index("layout_dots")] == 1 and (row == -1).sum() == len(extras) - 1
    assert np.isnan(Request().conditions(knowing)[0, 10:]).all()
    with pytest.raises(RequestError, match="knows no layout 'nonsense'; it knows rings, dots"):
        Request(layout="nonsense").conditions(knowing)
    with pytest.raises(RequestError, match="extras=layout"):
        Request(layout="dots").conditions(generator)


def test_a_tables_layouts_are_those_of_the_covers(tmp_path):
    extras = extra_columns("layout")
    knowing = Generator(32, 16, 10 + len(extras), 4, extras=extras).eval()
    table = tmp_path / "songs.csv"
    table.write_text("name,energy,layout\nA,0.5,dots\nB,0.5,rings\nC,0.5,\nD,0.5,nonsense\n")
    counts = generate.table_to_files(knowing, table, tmp_path / "out", Request(seeds=(1,)))
    assert counts["covers drawn"] == 3 and counts["rows rejected"] == 1
    found = [request.load(path).layout for path in sorted((tmp_path / "out").glob("*.png"))]
    assert found == ["dots", "rings", ""]
    assert "knows no layout 'nonsense'" in (tmp_path / "out" / "rejected.csv").read_text()
