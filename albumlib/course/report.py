"""One page about a run of the course: its covers, its numbers, its figures, and how they came
about. It needs nothing but itself: pictures and style are in it, and no script or network is used.
"""

import contextlib
import json
import platform
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from html import escape
from importlib.metadata import version
from pathlib import Path

from albumlib.course.chapters import Chapter, Figure, read_chapter
from albumlib.course.expected import Headline, headlines, marks, short, without_ranges
from albumlib.runtime.paths import ASSETS
from albumlib.runtime.progress import spoken
from albumlib.runtime.threads import cores

STYLE = ASSETS / "report.css"
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
    style = STYLE.read_text(encoding="utf-8")
    profile = profile_of(_common(chapters))
    outside = marks(results, profile)
    first = _covers(chapters) + _numbers(headlines(results, profile), outside, _little(results))
    sections = "".join(_section(chapter, results, outside) for chapter in chapters)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>From songs to covers</title><style>\n{style}</style></head>\n<body>"
        f"{_header(chapters)}<main>{first}{sections}{_footer(chapters)}</main></body></html>\n"
    )


# What the page begins with ------------------------------------------------------------------


def _header(chapters: list[Chapter]) -> str:
    failed = [chapter.name for chapter in chapters if chapter.failed]
    state = f'<p class="failed">This run stopped at {failed[0]}.</p>' if failed else ""
    links = "".join(
        f'<a href="#{chapter.name}"><b>{chapter.name[:2]}</b> '
        f"{escape(chapter.name.partition('_')[2].replace('_', ' '))}"
        f"<small>{_minutes(chapter.seconds)}</small></a>"
        for chapter in chapters
    )
    settings = _common(chapters)
    figures = sum(len(chapter.figures) for chapter in chapters)
    facts = " · ".join([
        f"profile {settings.get('profile', '')}",
        f"source {settings.get('source', 'imprint')}",
        "1 figure" if figures == 1 else f"{figures} figures",
        _minutes(sum(chapter.seconds or 0 for chapter in chapters)),
    ])  # fmt: skip
    return (
        '<header><p class="kicker">albumlib</p><h1>From songs to covers</h1>'
        f'<p class="facts">{escape(facts)}</p>{state}'
        f'<nav aria-label="Chapters">{links}</nav></header>'
    )


def _covers(chapters: list[Chapter]) -> str:
    """The covers that a run has come to, before anything is said about them."""
    by_name = {chapter.name: chapter for chapter in chapters}
    for name, code in COVERS.items():
        found = [f for f in by_name[name].figures if code in f.code] if name in by_name else []
        if found:
            return f'<section id="covers"><h2>Covers</h2>{_image(found[0])}</section>'
    return ""


def _little(results: Mapping[str, float]) -> str:
    """What no model can exceed, said where real covers show little of their music."""
    best = results.get("05_acgan.label_r2_real", 1.0)
    if best >= SHOWN:
        return ""
    return (
        f"<p>Real covers show little of their music here: their labels are predicted with an R² of "
        f"{short(best)}. No model can be expected to follow its labels further.</p>"
    )


def _numbers(found: list[Headline], outside: Mapping[str, str], little: str = "") -> str:
    """The numbers that matter, each with what it is to be compared with, and what lies outside."""
    if not found and not outside:
        return ""
    rows = "".join(_row(one, outside) for one in found[:FIRST])
    head = "".join(
        f'<th scope="col">{text}</th>'
        for text in ("", "this run", "real covers", "control", "expected", "")
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if found else ""
    items = "".join(f"<li>{escape(text)}</li>" for text in outside.values())
    notes = f'<div class="outside"><p>Not as expected:</p><ul>{items}</ul></div>' if outside else ""
    return f'<section id="numbers"><h2>The numbers that matter</h2>{little}{table}{notes}</section>'


def _row(one: Headline, outside: Mapping[str, str]) -> str:
    ends = "" if one.low is None else f"{short(one.low)} to {short(one.high)}"
    state = "" if one.low is None else "outside" if one.key in outside else "as expected"
    values = (one.value, one.reference, one.control)
    cells = "".join(f"<td>{text}</td>" for text in (*map(short, values), ends, state))
    mark = ' class="outside"' if one.key in outside else ""
    return f'<tr{mark}><th scope="row">{escape(one.name)}</th>{cells}</tr>'


# A chapter ----------------------------------------------------------------------------------


def _section(chapter: Chapter, results: dict[str, float], outside: Mapping[str, str]) -> str:
    prefix = chapter.name + "."
    own = {k.removeprefix(prefix): v for k, v in without_ranges(results).items()
           if k.startswith(prefix)}  # fmt: skip
    marked = {k.removeprefix(prefix): t for k, t in outside.items() if k.startswith(prefix)}
    title = re.sub(r"^\d+[\s.:·–-]*", "", chapter.title)
    notes = "".join(f'<p class="outside">{escape(text)}</p>' for text in marked.values())
    return (
        f"<section><details><summary><h2><span>{chapter.name[:2]}</span> {escape(title)}</h2>"
        # Inside what is folded, so that a link to it opens the chapter.
        f'</summary><div class="chapter" id="{chapter.name}">'
        f'<p class="lead">{escape(chapter.lead)}</p>{notes}{_table(own, marked)}'
        f"{''.join(map(_figure, chapter.figures))}</div></details></section>"
    )


def _table(numbers: dict[str, float], marked: Mapping[str, str]) -> str:
    """Numbers of a notebook, each beside what it is to be compared with."""
    beside = {
        name: {COMPARED[end]: numbers[name + end] for end in COMPARED if name + end in numbers}
        for name in numbers
        if not any(name.endswith(end) and name.removesuffix(end) in numbers for end in COMPARED)
    }
    if not beside:
        return ""
    used = [text for text in dict.fromkeys(COMPARED.values())
            if any(text in found for found in beside.values())]  # fmt: skip
    head = "".join(f'<th scope="col">{text}</th>' for text in ["value", *used])
    rows = "".join(
        f"<tr{' class=outside' if name in marked else ''}>"
        f'<th scope="row">{escape(name.replace("_", " "))}</th><td>{_number(numbers[name])}</td>'
        + "".join(f"<td>{_number(found.get(text))}</td>" for text in used)
        + "</tr>"
        for name, found in beside.items()
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _figure(figure: Figure) -> str:
    heading = f"<h3>{escape(figure.heading)}</h3>" if figure.heading else ""
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    return f"<figure>{heading}{caption}{_image(figure)}</figure>"


def _image(figure: Figure) -> str:
    alt = escape(figure.alt, quote=True)
    return f'<img alt="{alt}" src="data:{figure.kind};base64,{figure.data}">'


# How it came about --------------------------------------------------------------------------


def _footer(chapters: list[Chapter]) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    settings = ", ".join(f"{name} = {value}" for name, value in _common(chapters).items())
    written = datetime.now(timezone.utc).strftime("%d %B %Y, %H:%M UTC")
    lines = {
        "Settings": settings or "each notebook's own",
        "Device": _device(),
        "Versions": f"Python {platform.python_version()}, {versions}",
        "Written": written,
    }
    items = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in lines.items())
    return f'<section id="about"><h2>How this was made</h2><dl>{items}</dl></section>'


def _common(chapters: list[Chapter]) -> dict:
    merged = {}
    for chapter in chapters:
        merged |= chapter.parameters
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
