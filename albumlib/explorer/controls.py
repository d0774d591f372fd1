"""The explorer's pieces: sliders in front of real values, buttons, small pictures."""

import base64
import html
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from PIL import Image

from albumlib import features
from albumlib.runtime.pictures import to_png

SHOWN = 640  # pixels a side of the picture on a screen
THUMB = 64  # pixels a side of a small one
CURVE = 320  # pixels that a projection's curve is wide
ALERT = (
    "margin:8px; padding:8px 12px; max-width:280px; line-height:1.35; border-radius:4px; "
    "background:#fff; color:#7a1f00; border:2px solid #d3622a"
)
WRAPPED = widgets.Layout(flex_flow="row wrap")


def wide(width: str) -> widgets.Layout:
    return widgets.Layout(width=width, max_width="100%")


def short(value: float) -> float:
    return float(f"{value:.4g}")


def named(kind: type[widgets.Widget], words: str, width: str = "", **more) -> widgets.Widget:
    """A widget of some kind with words beside it, which a screen reader reads too."""
    if width:
        more["layout"] = wide(width)
    return kind(description=words, tooltip=words, **more)


def plain(name: str, low: float, high: float, value: float) -> widgets.FloatSlider:
    how = {"min": low, "max": high, "step": (high - low) / 60, "readout_format": ".2f"}
    return named(widgets.FloatSlider, name, value=value, **how)


def button(words: str, width: int = 80) -> widgets.Button:
    return named(widgets.Button, words, f"{width}px")


def feature_row(
    feature: features.Feature, value: float, real: np.ndarray
) -> tuple[widgets.FloatSlider, widgets.FloatText, widgets.Box]:
    """A slider in front of real values, a box for its number, and the row that holds both."""
    low, high, name = feature.low, feature.high, f"{feature.name}, {feature.unit}"
    slider = widgets.FloatSlider(
        value, min=low, max=high, step=(high - low) / 200, readout=False, tooltip=name,
        layout=widgets.Layout(width="100%", margin="22px 0 0 0"),
    )  # fmt: skip
    step = (high - low) / 100
    number = widgets.FloatText(short(value), step=step, layout=wide("76px"), tooltip=name)
    words = f'<span title="{html.escape(feature.meaning)}">{feature.name}</span>'
    label = widgets.HTML(words, layout=widgets.Layout(flex="0 0 112px"))
    unit = widgets.Label(feature.unit, layout=widgets.Layout(flex="0 0 58px"))
    middle = over(widgets.HTML(histogram(real, low, high), layout=wide("100%")), slider)
    middle.layout.flex = "1 1 100px"
    row = widgets.HBox([label, middle, number, unit]).add_class("albumlib-feature")
    return slider, number, row


def over(below: widgets.Widget, above: widgets.Widget) -> widgets.GridBox:
    """Two widgets in one place, the second over the first."""
    for widget in (below, above):
        widget.layout.grid_area = "1 / 1 / 2 / 2"
    above.layout.align_self = "flex-start"
    return widgets.GridBox([below, above])


def histogram(values: np.ndarray, low: float, high: float, bins: int = 40) -> str:
    """Real values from `low` to `high` as an SVG picture, to lie behind a slider."""
    counts, _ = np.histogram(values[np.isfinite(values)], bins, (low, high))
    heights = 30 * np.sqrt(counts / max(1, counts.max()))  # the root lets rare values be seen
    bars = "".join(
        f'<rect x="{4 * place}" y="{30 - height:.1f}" width="3.4" height="{height:.1f}"/>'
        for place, height in enumerate(heights)
    )
    size = f'width="100%" height="30" viewBox="0 0 {4 * bins} 30" preserveAspectRatio="none"'
    style = "display:block; padding:0 8px; box-sizing:border-box; fill:#84b9d9"
    return f'<svg {size} style="{style}" aria-hidden="true">{bars}</svg>'


def curve(losses: list[float]) -> str:
    """The loss over the steps of a projection as an SVG picture, on a logarithmic scale."""
    y = np.log10(np.maximum(losses, 1e-8))
    low, high = y.min(), max(y.max(), y.min() + 1e-6)
    points = " ".join(
        f"{CURVE * step / max(1, len(y) - 1):.1f},{4 + 62 * (high - value) / (high - low):.1f}"
        for step, value in enumerate(y)
    )
    words = f"unlikeness over {len(losses)} steps: {losses[0]:.3f} to {min(losses):.3f}"
    line = f'<polyline points="{points}" fill="none" stroke="#1f6fa8" stroke-width="2"/>'
    picture = f'<svg width="{CURVE}" height="70" aria-hidden="true">{line}</svg>'
    return f'<figure style="margin:0">{picture}<br>{words}</figure>'


def thumbnail(pixels: np.ndarray) -> bytes:
    """A picture (H, W, 3) as a PNG file of THUMB pixels a side at most."""
    small = Image.fromarray(pixels)
    small.thumbnail((THUMB, THUMB))
    return to_png(small)


def embedded(path: Path, words: str) -> str:
    """A JPEG file as an HTML picture, described in words."""
    data = base64.b64encode(path.read_bytes()).decode()
    style = "max-width:100%; height:auto"
    alt = html.escape(words, quote=True)
    return f'<img src="data:image/jpeg;base64,{data}" alt="{alt}" style="{style}">'
