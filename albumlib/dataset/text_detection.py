"""Is there text on a cover, where, and on how much of it?

- "rapidocr" finds lines of text with PP-OCRv6's detector and believes those that its recogniser can
  read. It needs `pip install 'albumlib[text]'`; the models come with it.
- "strict" asks the same models again where "rapidocr" finds nothing: larger, turned by a quarter,
  with less certainty. Up to five times as long, for choosing covers without text.
- "strokes" needs nothing, looks for rows of strokes between quiet rows, and does for covers drawn
  by this program; it finds half as many of the real ones, and takes stripes for text.

They miss small, faint, handwritten and curved text, and scripts other than Latin, Chinese and
Japanese. Of 189 real covers of 128 pixels that bear any text, "rapidocr" finds it on 74 % and
"strict" on 92 %. Of those it takes to be without text, 18 % are with "rapidocr" and 40 % with
"strict"; of the 11 that are, "strict" gives up one, and it finds something like text on 47 % of
photographs of clothes, where "rapidocr" does on 10 % (`tests/benchmarks/text_detection.py`).
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from albumlib import AlbumlibError, __version__
from albumlib.dataset.images import CoverRejected, decode, read_cover, resized
from albumlib.runtime.files import write_text
from albumlib.runtime.progress import Progress, silent
from albumlib.runtime.workers import spread

SIDE = 416  # pixels that a detector sees
LARGE = 640  # pixels that "strict" sees besides
SURE = 0.6  # of a line's reading, from 0 to 1
LETTERS = 3  # that a line has at least; a lone O is a disc more often than a letter
DOUBTFUL, FEW = 0.3, 2  # the same for "strict", for which a mark counts as well:
MARK = 0.15  # of the picture, up to which a box with any letter in it may be a mark
PART = 64  # covers a file, and a task
COLUMNS = {"reference": str, "text": bool, "text_area": float, "detector": str}


@dataclass(frozen=True)
class CoverText:
    """Where text is on a cover.

    `boxes` are (left, top, right, bottom) of each line, as parts of the side, 0 to 1, `area` is
    the proportion of the cover, 0 to 1, that the lines take together.
    """

    boxes: tuple[tuple[float, float, float, float], ...]
    area: float
    detector: str

    def __bool__(self) -> bool:
        return bool(self.boxes)


def find_text(
    folder: Path,
    covers: pd.DataFrame,
    work: Path,
    workers: int = 2,
    progress: Progress = silent,
    detector: str = "auto",
    dask: str = "",
) -> pd.DataFrame:
    """Find the text of fetched covers; one row for each that can be read.

    `covers` are rows of the catalogue with `reference`, `file` (below `folder`) and `sha256`;
    `work` is the folder for the parts: those found there are not made again. `detector` "auto" is
    "rapidocr" where it is installed, else "strokes". Columns of the result: `reference`, `text`
    (bool), `text_area` (proportion of the cover), `detector`, and `text_boxes`, a list of [left,
    top, right, bottom] as parts of the side. Raises AlbumlibError if the detector is not installed.
    """
    detector = chosen(detector)
    files = list(zip(*(covers[name] for name in ("reference", "file", "sha256")), strict=True))
    tasks = [files[start : start + PART] for start in range(0, len(files), PART)]
    work.mkdir(parents=True, exist_ok=True)
    task = partial(_part, folder.resolve(), work.resolve(), detector)
    rows: list[dict] = []
    paths = spread(task, tasks, workers if len(tasks) > 1 else 1, dask=dask)
    for done, path in enumerate(paths, 1):
        rows += json.loads(path.read_text(encoding="utf-8"))
        progress("covers searched for text", min(PART * done, len(files)), len(files))
    return pd.DataFrame(rows, columns=[*COLUMNS, "text_boxes"]).astype(COLUMNS)


def text_of(data: bytes, detector: str = "auto") -> CoverText:
    """The text of a cover's bytes, of an oblong one in the middle square. Raises CoverRejected if
    they are no picture that could be a cover.
    """
    side = LARGE if detector == "strict" else SIDE
    return text_on(decode(data, side, aspect=math.inf).pixels, detector)


def text_on(pixels: np.ndarray, detector: str = "auto") -> CoverText:
    """The text of a decoded cover (S, S, 3) uint8, best with S = SIDE, for "strict" S = LARGE."""
    name = chosen(detector)
    quads = _DETECTORS[name](pixels) / len(pixels)
    boxes = np.concatenate([quads.min(1), quads.max(1)], axis=1).clip(0, 1).round(3)
    return CoverText(tuple(map(tuple, boxes.tolist())), _area(quads), name)


def chosen(detector: str) -> str:
    """The detector's name, "auto" resolved. Raises AlbumlibError if it cannot be had."""
    installed = all(find_spec(name) for name in ("rapidocr", "onnxruntime"))
    if detector == "auto":
        return "rapidocr" if installed else "strokes"
    if detector not in _DETECTORS:
        known = ", ".join(_DETECTORS)
        raise AlbumlibError(f"there is no detector {detector!r}: take auto, {known}")
    if detector != "strokes" and not installed:
        raise AlbumlibError(
            f"the detector {detector} is not installed: pip install 'albumlib[text]', "
            "or choose the weaker 'strokes'"
        )
    return detector


def _part(folder: Path, work: Path, detector: str, part: list) -> Path:
    version = "" if detector == "strokes" else metadata.version("rapidocr")
    named = json.dumps([__version__, detector, version, part])
    path = work / f"{hashlib.sha256(named.encode()).hexdigest()[:20]}.json"
    if path.exists() and path.read_bytes().endswith(b"]"):  # and not cut off by a power failure
        return path
    rows = []
    for reference, file, digest in part:
        try:
            found = text_of(read_cover(folder / file, digest), detector)
        except CoverRejected:
            continue  # decoding the covers tells why
        about = {"text": bool(found), "text_area": found.area, "detector": detector}
        rows.append({"reference": reference, **about, "text_boxes": found.boxes})
    write_text(path, json.dumps(rows))
    return path


def _area(quads: np.ndarray) -> float:
    """The proportion of the unit square that lies in at least one of the quads (N, 4, 2)."""
    mask = Image.new("1", (SIDE, SIDE))
    for quad in quads:
        ImageDraw.Draw(mask).polygon([tuple(corner) for corner in quad * SIDE], fill=1)
    return round(float(np.asarray(mask).mean()), 4)


# RapidOCR ---------------------------------------------------------------------------------------


def read_words(pixels: np.ndarray) -> str:
    """What the lines on a decoded cover (S, S, 3) uint8 say, best with S = SIDE. Raises
    AlbumlibError if rapidocr is not installed."""
    chosen("rapidocr")
    found = _rapidocr()(np.ascontiguousarray(pixels[..., ::-1]))
    lines = zip(found.txts, found.scores, strict=True) if found.txts else ()
    return " ".join(text for text, score in lines if score >= SURE)


def _read_lines(pixels: np.ndarray) -> np.ndarray:
    """Corners (N, 4, 2) in pixels of the lines that are found and can be read."""
    quads, scores, letters = _lines(pixels)
    return quads[(scores >= SURE) & (letters >= LETTERS)].astype(float)


def _read_strictly(pixels: np.ndarray) -> np.ndarray:
    """The same of the first view of the picture (S, S, 3) in which anything like text is found."""
    found, large = _marks(resized(pixels, SIDE), 0.3, 0.5), resized(pixels, LARGE)
    if not len(found):
        found = _marks(large, 0.2, 0.3)
    if not len(found):
        x, y = np.moveaxis(_marks(np.rot90(large), 0.2, 0.3), -1, 0)
        found = np.stack([1 - y, x], axis=-1)  # turned back
    return found * len(pixels)


def _marks(view: np.ndarray, pixel: float, box: float) -> np.ndarray:
    """Corners (N, 4, 2), as parts of the side, of what may be text; thresholds of `_rapidocr`."""
    quads, scores, letters = _lines(view, pixel, box)
    quads = quads / len(view)
    small = np.array([_area(quad[None]) <= MARK for quad in quads], dtype=bool)
    return quads[(scores >= DOUBTFUL) & (letters >= FEW) | (letters > 0) & small].astype(float)


def _lines(pixels: np.ndarray, *least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners (N, 4, 2) of what looks like a line, how sure its reading is, and its letters."""
    found = _rapidocr(*least)(np.ascontiguousarray(pixels[..., ::-1]))  # it wants BGR
    if not found.txts:
        return np.empty((0, 4, 2)), np.empty(0), np.empty(0)
    letters = [sum(map(str.isalnum, text)) for text in found.txts]
    return np.asarray(found.boxes), np.asarray(found.scores), np.array(letters)


@cache
def _rapidocr(pixel: float = 0.3, box: float = 0.5) -> Callable:
    """The models; `pixel` and `box` are the least scores of a pixel and of a box of text."""
    from rapidocr import RapidOCR

    settings = {
        "Global.use_cls": False,  # covers stand upright
        "Global.log_level": "error",
        "Global.text_score": 0.0,  # what is sure enough is decided here
        "Det.thresh": pixel,
        "Det.box_thresh": box,
        "Det.limit_side_len": 32,  # never enlarge: the sizes are SIDE's and LARGE's business
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # processes are the parallelism
    }
    return RapidOCR(params=settings)


# Strokes ----------------------------------------------------------------------------------------

HEIGHTS = (0.025, 0.0375, 0.055, 0.085, 0.125)  # of lines, as parts of the side
EDGE = 24  # grey levels between neighbours
BUSY = 2.2  # edges over a line's height in its row, at least
QUIET = 0.3  # of that above and below, at most


def _stroke_rows(pixels: np.ndarray) -> np.ndarray:
    """Corners (N, 4, 2) of rows of strokes: many upright edges between two quiet rows."""
    grey = pixels.mean(2)
    steep = np.abs(np.diff(grey, axis=1, prepend=grey[:, :1])) > EDGE
    edges = np.pad((steep[:, 1:] & ~steep[:, :-1]).astype(np.float32), ((0, 0), (1, 0)))
    heights = (round(height * len(edges)) for height in HEIGHTS)
    boxes = [box for height in heights for box in _rows_of_height(edges, height)]
    left, top, right, bottom = np.array(boxes, dtype=float).reshape(-1, 4).T
    return np.stack([left, top, right, top, right, bottom, left, bottom], 1).reshape(-1, 4, 2)


def _rows_of_height(edges: np.ndarray, height: int) -> list[tuple[int, int, int, int]]:
    margin = max(2, height // 3)
    middle = _means(edges, height, 4 * height) * height
    strip = _means(edges, margin, 4 * height) * height
    above, below = strip[: -height - margin], strip[height + margin :]
    middle = middle[margin : margin + len(above)]
    hits = (middle >= BUSY) & (np.maximum(above, below) <= QUIET * middle)
    boxes = []
    rows = np.flatnonzero(hits.any(1))
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        if len(run):
            columns = np.flatnonzero(hits[run].any(0))
            top = run[len(run) // 2] + margin
            boxes.append((columns[0], top, columns[-1] + 4 * height, top + height))
    return boxes


def _means(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mean of every window of the image (S, S): (S - height + 1, S - width + 1)."""
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    rows = sums[height:] - sums[:-height]
    return (rows[:, width:] - rows[:, :-width]) / (height * width)


_DETECTORS = {"rapidocr": _read_lines, "strict": _read_strictly, "strokes": _stroke_rows}
