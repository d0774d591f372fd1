"""SVG documents of finished covers, and their pixels, by resvg.

Text stays text. So that it looks the same elsewhere, each font comes along as a subset with the
characters in use.
"""

import base64
import io
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image

from albumlib.sampling.captions import Caption, Line
from albumlib.sampling.tracing import SIDE
from albumlib.sampling.typefaces import FACES


def document(shapes: str, caption: Caption | None = None, recipe: str = "") -> str:
    """An SVG of traced shapes with a caption over them; `recipe` becomes its metadata."""
    parts = [f"<metadata>{escape(recipe)}</metadata>" if recipe else "", shapes]
    if caption:
        parts.insert(0, f"<title>{escape(caption.words)}</title>")
        parts.insert(2, f"<style>{_font_faces(caption)}</style>")
        parts += [_panel(caption), *map(_text, caption.lines)]
    begin = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512" role="img">'
    return "\n".join([begin, *filter(None, parts), "</svg>\n"])


def render(svg: str, size: int) -> np.ndarray:
    """The pixels (size, size, 4) uint8 of an SVG, RGB and opacity. Raises ImportError without
    resvg_py."""
    import resvg_py

    files = [str(font.path) for font in FACES.values()]
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=size, height=size, font_files=files, skip_system_fonts=True
    )
    with Image.open(io.BytesIO(bytes(png))) as picture:
        return np.asarray(picture.convert("RGBA"))


def _panel(caption: Caption) -> str:
    if caption.panel is None:
        return ""
    left, top, right, bottom = (SIDE * side for side in caption.box)
    return (
        f'<rect x="{left:.2f}" y="{top:.2f}" width="{right - left:.2f}" '
        f'height="{bottom - top:.2f}" fill="#{bytes(caption.panel).hex()}"/>'
    )


def _text(line: Line) -> str:
    font, x, y = FACES[line.setting.font], SIDE * line.x, SIDE * line.y
    attributes = {
        "x": f"{x:.2f}",
        "y": f"{y:.2f}",
        "font-family": f"'{font.family}'{font.others}",
        "font-weight": font.weight,
        "font-size": f"{SIDE * line.size:.3f}",
        "letter-spacing": f"{SIDE * line.size * line.setting.tracking:.3f}",
        "fill": f"#{bytes(line.ink).hex()}",
    }
    if line.turn:
        attributes["transform"] = f"rotate({line.turn} {x:.2f} {y:.2f})"
    listed = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f"<text {listed}>{escape(line.text)}</text>"


def _font_faces(caption: Caption) -> str:
    """The fonts in use, each cut down to the characters in use."""
    texts: dict[str, str] = {}
    for line in caption.lines:
        texts[line.setting.font] = texts.get(line.setting.font, "") + line.text
    return "\n".join(
        f"@font-face {{font-family: '{FACES[name].family}'; font-weight: {FACES[name].weight}; "
        f"src: url(data:font/otf;base64,{_subset(name, text)})}}"
        for name, text in texts.items()
    )


def _subset(name: str, text: str) -> str:
    from fontTools import subset

    options = subset.Options(layout_features=["kern", "mark", "mkmk", "ccmp"], notdef_outline=True)
    options.recalc_timestamp = False  # the same text gives the same bytes
    options.name_IDs = [0, 1, 2, 13, 14]  # copyright and licence go along
    font = subset.load_font(str(FACES[name].path), options)
    cutter = subset.Subsetter(options)
    cutter.populate(text=text)
    cutter.subset(font)
    file = io.BytesIO()
    subset.save_font(font, file, options)
    return base64.b64encode(file.getvalue()).decode()
