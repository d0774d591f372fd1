"""The explorer's pieces: sliders in front of real values, buttons, small pictures and their CSS."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from PIL import Image

from albumlib import features
from albumlib.sources.imprint.layouts import NAMES as LAYOUTS

SHOWN = 640  # pixels a side of the picture on a screen
CURVE = 320  # pixels that a projection's curve is wide
YEARS = range(1950, 2031)
ANY = "any"  # of a widget: nothing is asked
ALERT = (
    "margin:8px; padding:8px 12px; max-width:280px; line-height:1.35; border-radius:4px; "
    "background:#fff; color:#7a1f00; border:2px solid #d3622a"
)


WRAPPED = widgets.Layout(flex_flow="row wrap")

# The picture stands fixed beside the sliders, or on a narrow screen (a phone, or twice the usual
# size) above them; whoever moves by keyboard sees where they are; handles can be hit with a finger,
# and edges be seen.
CSS = """<style>
.albumlib { --jp-widgets-slider-handle-size: 24px; --jp-widgets-input-border-color: #6b7a88;
  --jp-widgets-input-placeholder-color: #5a6773; display: grid !important; gap: 8px 32px;
  grid-template: "stage sliders" auto "stage folded" 1fr / minmax(260px, 46%) minmax(0, 1fr) }
.albumlib-stage { grid-area: stage } .albumlib-sliders { grid-area: sliders }
.albumlib-folded { grid-area: folded; align-self: start }
.albumlib .noUi-handle { border: 2px solid #17598a !important }
.albumlib .noUi-target { background: #6b7a88 !important }
.albumlib :focus-visible { outline: 3px solid #b35c00 !important; outline-offset: 1px }
.albumlib .widget-readout, .albumlib .widget-label { color: #1c2733 }
.albumlib a { color: #17598a }
.albumlib .jupyter-widget-Collapse-header { color: #1c2733 }
.albumlib-description { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%) }
.albumlib-cover { position: sticky; top: 0; z-index: 9; background: white }
.albumlib-cover img { max-height: 82vh; object-fit: contain; object-position: left top }
.albumlib, .albumlib > *, .albumlib-stage > *,
:is(.jp-OutputArea, .jp-OutputArea-child, .jp-OutputArea-output):has(.albumlib) {
  overflow: visible !important }
.albumlib-gone { position: fixed; inset: 12px 12px auto; z-index: 99; padding: 12px 16px;
  background: #fff; color: #7a1f00; border: 2px solid #d3622a; border-radius: 6px; font: 16px/1.4
  sans-serif }
.albumlib-gone button { font: inherit; padding: 4px 12px; margin-left: 8px }
@media (max-width: 760px) {
  .albumlib { grid-template-columns: minmax(200px, 38%) minmax(0, 1fr); column-gap: 12px }
}
@media (max-width: 760px) and (orientation: portrait) {
  .albumlib { display: block !important }
  .albumlib-sliders *, .albumlib-folded * { scroll-margin-top: 42vh }
  .albumlib-stage { display: contents !important }
  .albumlib-cover img { max-height: 38vh }
}
</style>"""


def wide(width: str) -> widgets.Layout:
    return widgets.Layout(width=width, max_width="100%")


def slider(feature: features.Feature, value: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=feature.low, max=feature.high, step=(feature.high - feature.low) / 200,
        readout=False, tooltip=f"{feature.name}, {feature.unit}",
        layout=widgets.Layout(width="100%", margin="22px 0 0 0"),
    )  # fmt: skip


def number(feature: features.Feature, value: float) -> widgets.FloatText:
    step = (feature.high - feature.low) / 100
    name = f"{feature.name}, {feature.unit}"
    return widgets.FloatText(short(value), step=step, layout=wide("76px"), tooltip=name)


def short(value: float) -> float:
    """A value as a person would write it."""
    return float(f"{value:.4g}")


def plain(name: str, low: float, high: float, value: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=low, max=high, step=(high - low) / 60, description=name, readout_format=".2f",
        tooltip=name,
    )  # fmt: skip


def button(words: str, width: int = 80) -> widgets.Button:
    return widgets.Button(description=words, tooltip=words, layout=wide(f"{width}px"))


def extras() -> dict[str, widgets.Widget]:
    """What some models are conditioned on beside features, by the names of a request's fields."""
    years = [(ANY, ANY), *((str(year), year) for year in YEARS)]
    letters = [(ANY, ANY), ("with", True), ("without", False)]
    style = {"button_width": "70px"}
    return {
        "year": widgets.SelectionSlider(options=years, description="year", tooltip="year"),
        "title": widgets.Text(
            placeholder="of a record, a song or both", description="title", tooltip="title"
        ),
        "text": widgets.ToggleButtons(
            options=letters,
            description="text",
            style=style,
            tooltip="text on the cover",
            tooltips=["with or without text", "with text", "without text"],
        ),
        "layout": widgets.Dropdown(
            options=[("let chance choose", ""), *zip(LAYOUTS, LAYOUTS, strict=True)],
            description="layout", tooltip="layout",
        ),
    }  # fmt: skip


def asked(widget: widgets.Widget) -> object:
    """What a request says for the value of one of these."""
    return None if widget.value == ANY and hasattr(widget, "options") else widget.value


def admitted(widget: widgets.Widget, value: object) -> object:
    """The value of the widget for what a request says; room is made for a year between years."""
    if not hasattr(widget, "options"):
        return value
    value = ANY if value is None else value
    if value not in dict(widget.options).values():
        widget.options = (*widget.options, (f"{value:g}", value))
    return value


def feature_row(feature, slider, number, real: np.ndarray) -> widgets.Box:
    words = f'<span title="{html.escape(feature.meaning)}">{feature.name}</span>'
    name = widgets.HTML(words, layout=widgets.Layout(flex="0 0 112px"))
    unit = widgets.Label(feature.unit, layout=widgets.Layout(flex="0 0 58px"))
    behind = widgets.HTML(histogram(real, feature.low, feature.high), layout=wide("100%"))
    middle = over(behind, slider)
    middle.layout.flex = "1 1 100px"
    return widgets.HBox([name, middle, number, unit]).add_class("albumlib-feature")


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


def to_png(pixels: np.ndarray) -> bytes:
    """A picture (H, W, 3) as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def embedded(path: Path, words: str) -> str:
    """A JPEG file as an HTML picture, described in words."""
    data = base64.b64encode(path.read_bytes()).decode()
    style = "max-width:100%; height:auto"
    alt = html.escape(words, quote=True)
    return f'<img src="data:image/jpeg;base64,{data}" alt="{alt}" style="{style}">'
