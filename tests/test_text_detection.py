import csv
import hashlib
import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageFont

from albumlib import AlbumlibError
from albumlib.dataset import text_detection
from albumlib.dataset.images import CoverRejected
from albumlib.dataset.text_detection import chosen, find_text, text_of, text_on
from albumlib.sources.imprint.imprint import Imprint
from albumlib.sources.imprint.typography import FILES, FONTS
from tests.benchmarks import text_detection as text_detection_benchmark

IMPRINT = Imprint(seed=77, albums=30, corruption=0, text=True)


@pytest.fixture(params=["rapidocr", "strict", "strokes"])
def detector(request):
    if request.param != "strokes":
        pytest.importorskip("rapidocr", reason="the extra `text` is not installed")
        pytest.importorskip("onnxruntime", reason="the extra `text` is not installed")
    return request.param


def sign(text="Hollow Staircase", top=200):
    """A plain cover with a line of text from `top`, 40 pixels high."""
    face = ImageFont.truetype(FONTS / FILES[2], 38)
    picture = Image.new("RGB", (416, 416), (30, 60, 90))
    ImageDraw.Draw(picture).text((40, top), text, (250, 240, 230), face)
    return np.asarray(picture)


@pytest.mark.parametrize("top", [30, 200, 340])
def test_a_line_is_found_where_it_is(detector, top):
    found = text_on(sign(top=top), detector)
    assert found and found.detector == detector
    left, up, right, down = np.array(found.boxes).T
    assert abs(up.min() - top / 416) < 0.06 and abs(down.max() - (top + 40) / 416) < 0.06
    assert left.min() < 0.2 and right.max() > 0.7
    assert 0.02 < found.area < 0.15


def disc():
    picture = Image.new("RGB", (416, 416), (30, 60, 90))
    ImageDraw.Draw(picture).ellipse((100, 100, 300, 300), fill=(250, 240, 230))
    return np.asarray(picture)


@pytest.mark.parametrize(
    "pixels", [np.zeros((416, 416, 3), np.uint8), disc()], ids=["bare", "disc"]
)
def test_no_text_is_no_text(detector, pixels):
    found = text_on(pixels, detector)
    assert not found and found.boxes == () and found.area == 0


def test_what_is_found_is_what_was_drawn(detector):
    """Rows of arches and moons look like letters, to the strict detector above all."""
    found = [bool(text_of(IMPRINT.cover(f"album/{i}", 300), detector)) for i in range(20)]
    drawn = [IMPRINT.truth(index).text for index in range(20)]
    missed, invented = np.subtract(drawn, found, dtype=int) > 0, np.greater(found, drawn)
    assert missed.sum() <= 1 and invented.sum() <= (2 if detector == "rapidocr" else 4)


@pytest.mark.parametrize("turns", [1, 3])
def test_strictly_turned_text_is_found_where_it_is(turns):
    pytest.importorskip("rapidocr", reason="the extra `text` is not installed")
    found = text_on(np.rot90(sign(top=60), turns).copy(), "strict")
    assert found and found.detector == "strict"
    left, _, right, _ = np.array(found.boxes).T
    middle = (60 + 20) / 416 if turns == 1 else 1 - (60 + 20) / 416
    assert (left.min() + right.max()) / 2 == pytest.approx(middle, abs=0.06)


def test_strictly_doubtful_text_counts(monkeypatch):
    """A line that is read with little certainty is text for "strict" alone."""
    corners = np.array([(10, 10), (90, 10), (90, 60), (10, 60)])
    doubtful = SimpleNamespace(boxes=[corners], txts=["ab"], scores=[0.4])
    monkeypatch.setattr(text_detection, "_rapidocr", lambda *about: lambda pixels: doubtful)
    blank = np.zeros((416, 416, 3), np.uint8)
    assert len(text_detection._read_lines(blank)) == 0
    assert text_detection._read_strictly(blank) == pytest.approx(corners[None])
    doubtful.txts, doubtful.scores = ["o"], [0.1]  # a small mark is enough, a large disc is not
    assert len(text_detection._read_strictly(blank)) == 1
    doubtful.boxes = [4 * corners]
    assert len(text_detection._read_strictly(blank)) == 0


def test_each_label_given_by_eye_is_yes_or_no():
    with text_detection_benchmark.LABELS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["cover"] for row in rows}) == len(rows) == 200
    assert {row["text"] for row in rows} == {"yes", "no"}


def test_scores_count_text_and_its_absence():
    found = np.array([True, True, False, False, False])
    truth = np.array([True, False, True, False, False])
    assert text_detection_benchmark.scores(found, truth) == {
        "precision": 0.5, "recall": 0.5, "clean_without": 0.6667, "kept_without": 0.6667,
    }  # fmt: skip
    nothing = text_detection_benchmark.scores(np.zeros(0, bool), np.zeros(0, bool))
    assert set(nothing.values()) == {None}


def test_overlapping_lines_count_once():
    def rectangle(left, top, right, bottom):
        return [(left, top), (right, top), (right, bottom), (left, bottom)]

    quads = np.array([rectangle(0, 0, 0.5, 0.5), rectangle(0.25, 0, 0.75, 0.5)])
    assert text_detection._area(quads) == pytest.approx(0.375, abs=0.01)
    diamond = np.array([[(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)]])
    assert text_detection._area(diamond) == pytest.approx(0.5, abs=0.01)
    assert text_detection._area(np.empty((0, 4, 2))) == 0


def test_what_is_no_picture_is_refused_and_an_oblong_one_is_not():
    with pytest.raises(CoverRejected, match="not a picture"):
        text_of(b"no picture", "strokes")
    stream = io.BytesIO()
    Image.fromarray(np.hstack([sign()] * 3)).save(stream, "PNG")
    assert text_of(stream.getvalue(), "strokes")


def test_the_better_detector_that_is_there_is_chosen(monkeypatch):
    with pytest.raises(AlbumlibError, match="no detector 'tea leaves': take auto, rapidocr"):
        chosen("tea leaves")
    monkeypatch.setattr(text_detection, "find_spec", lambda name: None)
    assert chosen("auto") == "strokes"
    for name in ("rapidocr", "strict"):
        with pytest.raises(AlbumlibError, match=r"pip install 'albumlib\[text\]'"):
            chosen(name)
    monkeypatch.setattr(text_detection, "find_spec", lambda name: name)
    assert chosen("auto") == "rapidocr"


# The stage ---------------------------------------------------------------------------------------


@pytest.fixture
def gathered(tmp_path, monkeypatch):
    """A folder with seven covers, one of them cut off, and their rows; two covers a part."""
    monkeypatch.setattr(text_detection, "PART", 2)
    rows = []
    for index in range(7):
        data = IMPRINT.cover(f"album/{index}", 128)[: 900 if index == 3 else None]
        (tmp_path / f"{index}.jpg").write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        rows.append({"reference": f"album/{index}", "file": f"{index}.jpg", "sha256": sha256})
    return tmp_path, pd.DataFrame(rows)


def search(gathered, **options):
    folder, covers = gathered
    return find_text(folder, covers, folder / "work", 1, detector="strokes", **options)


def test_each_readable_cover_has_a_row(gathered):
    told = []
    found = search(gathered, progress=lambda *about: told.append(about))
    assert list(found.columns) == [
        "reference", "text", "text_area", "detector", "text_boxes",
    ]  # fmt: skip
    assert found["reference"].tolist() == [f"album/{i}" for i in (0, 1, 2, 4, 5, 6)]
    assert found["text"].dtype == bool and found["text_area"].between(0, 1).all()
    assert (found["text"] == (found["text_area"] > 0)).all()
    assert (found["text"] == (found["text_boxes"].str.len() > 0)).all()
    assert told == [("covers searched for text", done, 7) for done in (2, 4, 6, 7)]
    alone = text_of((gathered[0] / "4.jpg").read_bytes(), "strokes")
    row = found.set_index("reference").loc["album/4"]
    assert row["text"] == bool(alone) and row["text_area"] == alone.area


def test_what_was_searched_is_not_searched_again(gathered, monkeypatch):
    class Killed(BaseException):
        pass

    seen = []

    def counted(data, detector):
        seen.append(data)
        if len(seen) == 5:
            raise Killed
        return text_of(data, detector)

    unbroken = search(gathered)
    for path in (gathered[0] / "work").iterdir():
        path.unlink()
    monkeypatch.setattr(text_detection, "text_of", counted)
    with pytest.raises(Killed):
        search(gathered)
    done = len(list((gathered[0] / "work").glob("*.json")))
    assert done == 2  # of four parts
    seen.extend([b""] * 5)
    before = len(seen)
    pd.testing.assert_frame_equal(search(gathered), unbroken)
    assert len(seen) - before == 3
    pd.testing.assert_frame_equal(search(gathered), unbroken)
    assert len(seen) - before == 3


def test_a_file_that_changed_is_left_out(gathered):
    (gathered[0] / "0.jpg").write_bytes(IMPRINT.cover("album/9", 128))
    (gathered[0] / "1.jpg").unlink()
    assert search(gathered)["reference"].tolist() == [f"album/{i}" for i in (2, 4, 5, 6)]


def test_no_covers_give_an_empty_table(gathered):
    folder, covers = gathered
    found = find_text(folder, covers[:0], folder / "work", detector="strokes")
    assert found.empty and found["text"].dtype == bool
