"""What a report needs of an executed notebook: its title, times, parameters and figures."""

import ast
import base64
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

PICTURES = ("image/png", "image/jpeg")
LARGE = 75_000  # bytes of a picture


@dataclass(frozen=True)
class Figure:
    """A picture with the heading it stands under and the paragraph that leads to it."""

    heading: str  # both are "" if they were said over the picture before
    caption: str
    alt: str  # what the picture is, for those who do not see it
    kind: str  # MIME type
    data: str  # base64
    code: str = ""  # of the cell that drew it


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
    heading = caption = section = ""
    for cell in cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ +(.+)$", cell.source, re.M)
            heading = section = _plain(headings[-1]) if headings else section
            caption = _last_paragraph(cell.source)
        pictures = [kinds for output in cell.get("outputs", []) if (kinds := _picture(output))]
        titles = _titles(cell.source) if pictures else []
        for place, (kind, data) in enumerate(pictures):
            first_sentence = re.split(r"(?<=[.:?!]) ", caption)[0]
            own = titles[min(place, len(titles) - 1)] if titles else first_sentence
            alt = ": ".join(filter(None, (section, own))) or "A figure of this chapter"
            yield Figure(heading, caption, alt, kind, data, cell.source)
            heading = caption = ""  # said once, over the first figure


def _picture(output: dict) -> tuple[str, str] | None:
    bundle = output.get("data", {})
    kind = next((kind for kind in PICTURES if kind in bundle), "")
    return compact(kind, "".join(bundle[kind]).replace("\n", "")) if kind else None


def compact(kind: str, data: str) -> tuple[str, str]:
    """MIME type and base64 of a picture: of a large PNG those of a JPEG in full colour.

    GitHub and the HTML export of notebooks show JPEG, but no WebP.
    """
    pixels = base64.b64decode(data)
    if kind != "image/png" or len(pixels) <= LARGE:
        return kind, data
    small = io.BytesIO()
    with Image.open(io.BytesIO(pixels)) as picture:
        picture.convert("RGB").save(small, "jpeg", quality=88, subsampling=0, optimize=True)
    return "image/jpeg", base64.b64encode(small.getvalue()).decode()


def _titles(code: str) -> list[str]:
    """Titles that a cell gives its figures: texts named `title`, or passed as it."""
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except SyntaxError:  # a magic of IPython's
        return []
    values = [
        node.value for node in nodes
        if (isinstance(node, ast.keyword) and node.arg == "title")
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "title")
    ]  # fmt: skip
    values.sort(key=lambda value: value.lineno)
    return list(filter(None, map(_text, values)))


def _text(value: ast.expr) -> str:
    """A text as it stands in code, with … for what is only known when it runs."""
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    known = [part.value if isinstance(part, ast.Constant) else "…" for part in parts]
    return "".join(map(str, known)) if set(known) != {"…"} else ""


def _last_paragraph(text: str, first: bool = False) -> str:
    """The last (or first) paragraph of plain prose; headings, lists, tables and code are none."""
    blocks = re.split(r"\n\s*\n", re.sub(r"```.*?```", "", text, flags=re.S))
    prose = [b.strip() for b in blocks if b.strip() and not re.match(r"\s*([#>|*\-+$<!]|\d+\.)", b)]
    return _plain(prose[0 if first else -1]) if prose else ""


def _plain(text: str) -> str:
    """Markdown without its marks, on one line."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\*\*|__|`|(?<!\w)[*_](?=\w)|(?<=[\w.,;:?!])[*_](?!\w)", "", text)
    return " ".join(text.split())
