"""One page about a run of the course: its covers, its numbers, its figures, and how they came
about. It needs nothing but itself: pictures and style are in it, and no script or network is used.
"""

import contextlib
import json
import platform
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment

from albumlib.course.chapters import Chapter, Figure, read_chapter
from albumlib.course.expected import headlines, marks, short, without_ranges
from albumlib.runtime.paths import ASSETS
from albumlib.runtime.progress import spoken
from albumlib.runtime.threads import cores

PAGE, STYLE = ASSETS / "report.html", ASSETS / "report.css"
COMPARED = {  # endings of names that say what a number is to be compared with
    "_real": "real covers",
    "_shuffled": "labels shuffled",
}
SHOWN = 0.3  # R² from which covers show a label: label_recovery.RECOVERABLE, without torch
FIRST = 5  # headline numbers that the page begins with
COVERS = {  # the picture that the page begins with: the first of these that a run has drawn
    "05_acgan": "figures.pairs(",
    "04_wgan_logan": "figures.covers(both",
    "02_cleaning": "figures.covers(",
}
VERSIONS = ("albumlib", "torch", "numpy", "pillow", "matplotlib")


def write_report(out: str | Path) -> Path:
    """Write `report.html` from the executed notebooks and `results.json` in `out`."""
    out = Path(out)
    chapters = []
    for notebook in sorted(out.glob("[0-9]*.ipynb")):
        with contextlib.suppress(ValueError):  # cut off when an earlier run was killed
            chapters.append(read_chapter(notebook))
    numbers = out / "results.json"
    results = json.loads(numbers.read_text(encoding="utf-8")) if numbers.exists() else {}
    path = out / "report.html"
    path.write_text(_page(chapters, results), encoding="utf-8")
    return path


def profile_of(parameters: Mapping[str, object]) -> str:
    """The profile whose ranges a run is held against: "" where covers are not the imprint's."""
    ours = parameters.get("source", "imprint") == "imprint"
    return str(parameters.get("profile", "")) if ours else ""


def _page(chapters: list[Chapter], results: dict[str, float]) -> str:
    settings = _settings(chapters)
    profile = profile_of(settings)
    page = Environment(autoescape=True, trim_blocks=True, keep_trailing_newline=True)
    page.filters |= {"short": short, "number": _number, "minutes": _minutes}
    page.filters["unnumbered"] = partial(re.sub, r"^\d+[\s.:·–-]*", "")
    return page.from_string(PAGE.read_text(encoding="utf-8")).render(
        style=STYLE.read_text(encoding="utf-8"),
        facts=_facts(chapters, settings),
        chapters=chapters,
        failed=[chapter.name for chapter in chapters if chapter.failed],
        cover=_cover(chapters),
        headlines=headlines(results, profile)[:FIRST],
        outside=marks(results, profile),
        best=results.get("05_acgan.label_r2_real", 1.0),
        shown=SHOWN,
        compared=partial(_compared, without_ranges(results)),
        made=_made(settings),
    )


def _facts(chapters: list[Chapter], settings: dict) -> list[str]:
    figures = sum(len(chapter.figures) for chapter in chapters)
    return [
        f"profile {settings.get('profile', '')}",
        f"source {settings.get('source', 'imprint')}",
        "1 figure" if figures == 1 else f"{figures} figures",
        _minutes(sum(chapter.seconds or 0 for chapter in chapters)),
    ]


def _cover(chapters: list[Chapter]) -> Figure | None:
    """The covers that a run has come to, which the page shows before it says anything of them."""
    drawn = {chapter.name: chapter.figures for chapter in chapters}
    found = (f for name, code in COVERS.items() for f in drawn.get(name, ()) if code in f.code)
    return next(found, None)


def _compared(results: dict[str, float], prefix: str) -> tuple[list[str], dict[str, list]]:
    """Names of what a chapter's numbers are compared with; by its name, each number with those."""
    own = {k.removeprefix(prefix): v for k, v in results.items() if k.startswith(prefix)}
    beside = {name + end for name in own for end in COMPARED}
    names = [name for name in own if name not in beside]
    ends = [end for end in COMPARED if any(name + end in own for name in names)]
    rows = {name: [own.get(name + end) for end in ("", *ends)] for name in names}
    return [COMPARED[end] for end in ends], rows


def _made(settings: dict) -> dict[str, str]:
    """How the run came about."""
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    return {
        "Settings": ", ".join(f"{n} = {v}" for n, v in settings.items()) or "each notebook's own",
        "Device": _device(),
        "Versions": f"Python {platform.python_version()}, {versions}",
        "Written": datetime.now(timezone.utc).strftime("%d %B %Y, %H:%M UTC"),
    }


def _settings(chapters: list[Chapter]) -> dict:
    merged = {name: value for chapter in chapters for name, value in chapter.parameters.items()}
    return {name: value for name, value in merged.items() if name not in ("data_dir", "table")}


def _device() -> str:
    """What training runs on here, in words. Torch takes seconds to import: only where it knows."""
    if Path("/dev/nvidia0").exists():
        import torch

        if torch.cuda.is_available():
            return torch.cuda.get_device_name()
    return f"{platform.machine()} processor, {cores()} cores"


def _minutes(seconds: float | None) -> str:
    return "not finished" if seconds is None else spoken(seconds)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}".replace("-", "−")
