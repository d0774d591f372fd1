"""Text on covers, against what the built-in label knows of its own covers."""

import io
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from albumlib import AlbumlibError, lettering
from albumlib.catalog import Catalog
from albumlib.covers import CoverRejected
from albumlib.gathering import gather
from albumlib.sources.synthetic import RecordLabel
from albumlib.typography import fit_text

COVERS = 24


@pytest.fixture(scope="module")
def label():
    return RecordLabel(albums=COVERS, dirt=0)


@pytest.fixture(scope="module")
def gathered(label, tmp_path_factory):
    """A folder with the label's covers, and the catalogue's rows of them."""
    folder = tmp_path_factory.mktemp("gathered")
    gather(label, folder, size=320, workers=1)
    with Catalog(folder / "catalog.sqlite") as catalog:
        return folder, catalog.covers()


def right(label, found: pd.DataFrame) -> float:
    truth = [label.truth(int(name.removeprefix("album/"))).lettering for name in found["reference"]]
    return (found["lettering"] == truth).mean()


@pytest.mark.parametrize(("detector", "enough"), [("rapidocr", 0.9), ("strokes", 0.75)])
def test_the_labels_lettering_is_found(label, gathered, tmp_path, detector, enough):
    if detector == "rapidocr" and not find_spec("rapidocr"):
        pytest.skip("rapidocr is not installed")
    folder, covers = gathered
    found = lettering.find_lettering(folder, covers, tmp_path, workers=1, detector=detector)
    assert len(found) == COVERS and set(found["detector"]) == {detector}
    assert right(label, found) >= enough
    assert ((found["text_area"] > 0) == found["lettering"]).all()
    assert (found["text_area"] < 0.6).all()


def test_parts_are_not_made_again(gathered, tmp_path, monkeypatch):
    folder, covers = gathered
    whole = lettering.find_lettering(folder, covers, tmp_path, workers=1, detector="strokes")
    monkeypatch.setattr(lettering, "lettering_of", None)
    again = lettering.find_lettering(folder, covers, tmp_path, workers=1, detector="strokes")
    pd.testing.assert_frame_equal(whole, again)


def test_a_line_is_found_where_it_stands():
    picture = Image.new("RGB", (320, 320), "white")
    fit_text(ImageDraw.Draw(picture), "MIDNIGHT TRAIN", (60, 200, 260, 230), "black", 0)
    found = lettering.lettering_on(np.asarray(picture), "strokes")
    assert found.boxes and 0 < found.area < 0.3
    for left, top, right_, bottom in found.boxes:  # rows are found well, their ends roughly
        assert top > 0.55 and bottom < 0.78 and left < 160 / 320 < right_


def test_nothing_is_found_where_nothing_is():
    for detector in ("auto", "strokes"):
        plain = lettering.lettering_on(np.full((320, 320, 3), 90, np.uint8), detector)
        assert not plain and plain.area == 0 and plain.boxes == ()


def test_bytes_that_are_no_cover_are_refused():
    with pytest.raises(CoverRejected):
        lettering.lettering_of(b"<html>")
    empty = io.BytesIO()
    Image.new("RGB", (64, 64)).save(empty, "png")
    assert not lettering.lettering_of(empty.getvalue(), "strokes")


def test_a_detector_that_cannot_be_had(monkeypatch):
    with pytest.raises(AlbumlibError, match="there is no detector 'eye'"):
        lettering.chosen("eye")
    monkeypatch.setattr(lettering, "find_spec", lambda name: None)
    assert lettering.chosen("auto") == "strokes"
    with pytest.raises(AlbumlibError, match="not installed"):
        lettering.chosen("rapidocr")
