"""One page about a run of the course: its numbers, its figures, and how they came about.

The page needs nothing but itself: pictures are in it, its style is `assets/report.css`, and no
script or network is asked for.
"""

from __future__ import annotations

import contextlib
import json
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from html import escape
from importlib.metadata import version
from pathlib import Path

from albumlib.runtime.paths import ASSETS
from albumlib.runtime.threads import cores

STYLE = ASSETS / "report.css"
PICTURES = ("image/png", "image/jpeg")
COMPARED = {  # endings of names that say what a number is to be compared with
    "_real": "real covers",
    "_shuffled": "labels shuffled",
    "_floor": "floor",
}
VERSIONS = ("albumlib", "torch", "numpy", "pillow", "matplotlib")


@dataclass(frozen=True)
class Figure:
    """A picture with the heading it stands under and the paragraph that leads to it."""

    heading: str
    caption: str
    kind: str  # MIME type
    data: str  # base64


@dataclass(frozen=True)
class Chapter:
    """What the report needs of one executed notebook."""

    name: str
    title: str
    lead: str
    seconds: float | None
    failed: bool
    parameters: dict = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()


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


# Reading notebooks ----------------------------------------------------------------


def read_chapter(path: Path) -> Chapter:
    """Title, times, parameters and figures of an executed notebook."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    run = notebook.metadata.get("papermill", {})
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    title = next((t for text in prose for t in re.findall(r"^# +(.+)$", text, re.M)), path.stem)
    return Chapter(
        name=path.stem,
        title=_plain(title),
        lead=next((_last_paragraph(text, first=True) for text in prose), ""),
        seconds=run.get("duration"),
        failed=bool(run.get("exception")),
        parameters=dict(run.get("parameters", {})),
        figures=tuple(_figures(notebook.cells)),
    )


def _figures(cells: list) -> Iterator[Figure]:
    heading = caption = ""
    for cell in cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ +(.+)$", cell.source, re.M)
            heading = _plain(headings[-1]) if headings else heading
            caption = _last_paragraph(cell.source)
        for output in cell.get("outputs", []):
            bundle = output.get("data", {})
            if kind := next((kind for kind in PICTURES if kind in bundle), ""):
                yield Figure(heading, caption, kind, "".join(bundle[kind]).replace("\n", ""))
                heading = caption = ""  # said once, over the first figure


def _last_paragraph(text: str, first: bool = False) -> str:
    """The last (or first) paragraph of plain prose; headings, lists, tables and code are none."""
    blocks = re.split(r"\n\s*\n", re.sub(r"```.*?```", "", text, flags=re.S))
    prose = [b.strip() for b in blocks if b.strip() and not re.match(r"\s*([#>|*\-+$<!]|\d+\.)", b)]
    if not prose:
        return ""
    return _plain(prose[0 if first else -1])


def _plain(text: str) -> str:
    """Markdown without its marks, on one line."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\*\*|__|`|(?<!\w)[*_](?=\w)|(?<=[\w.,;:?!])[*_](?!\w)", "", text)
    return " ".join(text.split())


# Writing the page -----------------------------------------------------------------


def _page(chapters: list[Chapter], results: dict[str, float]) -> str:
    style = STYLE.read_text(encoding="utf-8")
    sections = "".join(_section(chapter, results) for chapter in chapters)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>From songs to covers</title><style>\n{style}</style></head>\n<body>"
        f"{_header(chapters)}<main>{sections}{_footer(chapters)}</main></body></html>\n"
    )


def _header(chapters: list[Chapter]) -> str:
    failed = [chapter.name for chapter in chapters if chapter.failed]
    state = f'<p class="failed">This run stopped at {failed[0]}.</p>' if failed else ""
    links = "".join(
        f'<a href="#{chapter.name}"><b>{chapter.name[:2]}</b> {escape(_short(chapter))}'
        f"<small>{_minutes(chapter.seconds)}</small></a>"
        for chapter in chapters
    )
    figures = sum(len(chapter.figures) for chapter in chapters)
    total = sum(chapter.seconds or 0 for chapter in chapters)
    settings = _common(chapters)
    profile = escape(str(settings.get("profile", "")))
    source = escape(str(settings.get("source", "imprint")))
    counted = "1 figure" if figures == 1 else f"{figures} figures"
    facts = f"profile {profile} · source {source} · {counted} · {_minutes(total)}"
    return (
        '<header><p class="kicker">albumlib</p><h1>From songs to covers</h1>'
        f'<p class="facts">{facts}</p>{state}<nav>{links}</nav></header>'
    )


def _section(chapter: Chapter, results: dict[str, float]) -> str:
    prefix = chapter.name + "."
    own = {k.removeprefix(prefix): v for k, v in results.items() if k.startswith(prefix)}
    title = re.sub(r"^\d+[\s.:·–-]*", "", chapter.title)
    return (
        f'<section id="{chapter.name}"><h2><span>{chapter.name[:2]}</span> {escape(title)}</h2>'
        f'<p class="lead">{escape(chapter.lead)}</p>'
        f"{_table(own)}{''.join(map(_figure, chapter.figures))}</section>"
    )


def _table(numbers: dict[str, float]) -> str:
    """Numbers of a notebook, each beside what it is to be compared with."""
    beside = {
        name: {end: numbers[name + end] for end in COMPARED if name + end in numbers}
        for name in numbers
        if not any(name.endswith(end) and name.removesuffix(end) in numbers for end in COMPARED)
    }
    if not beside:
        return ""
    ends = [end for end in COMPARED if any(end in found for found in beside.values())]
    head = "".join(f"<th>{text}</th>" for text in ["value", *(COMPARED[end] for end in ends)])
    rows = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}</td><td>{_number(numbers[name])}</td>"
        + "".join(f"<td>{_number(found.get(end))}</td>" for end in ends)
        + "</tr>"
        for name, found in beside.items()
    )
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _figure(figure: Figure) -> str:
    heading = f"<h3>{escape(figure.heading)}</h3>" if figure.heading else ""
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    alt = escape(figure.heading or "figure", quote=True)
    picture = f'<img alt="{alt}" src="data:{figure.kind};base64,{figure.data}">'
    return f"<figure>{heading}{caption}{picture}</figure>"


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
    """Parameters given to the notebooks, but for the paths."""
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


def _short(chapter: Chapter) -> str:
    return chapter.name.partition("_")[2].replace("_", " ")


def _minutes(seconds: float | None) -> str:
    if seconds is None:
        return "not finished"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}".replace("-", "−")
