"""The explorer's pieces: sliders in front of real values, buttons, small pictures and their CSS."""

from __future__ import annotations

import html
import io

import ipywidgets as widgets
import numpy as np
from PIL import Image

from albumlib import features

SHOWN = 320  # pixels a side, of a projection's curve and of the picture on a screen
YEARS = range(1950, 2031)
ANY = "any"  # of a widget: nothing is asked
ALERT = (
    "margin:8px; padding:8px 12px; max-width:280px; line-height:1.35; border-radius:4px; "
    "background:#fff; color:#7a1f00; border:2px solid #d3622a"
)


# On a narrow screen the cover stays in sight while the sliders below it are moved; whoever moves
# by keyboard sees where they are.
CSS = """<style>
.noUi-handle:focus-visible { outline: 3px solid #1f6fa8 !important }
@media (max-width: 760px) {
  .albumlib-left { display: contents }
  .albumlib-left > * { flex: 0 0 auto; width: 100% }
  .albumlib-left > .albumlib-cover { position: sticky; top: 0; z-index: 9; background: white }
  .albumlib-cover img { max-height: 36vh; object-fit: contain; object-position: left }
  .albumlib, :is(.jp-OutputArea, .jp-OutputArea-child, .jp-OutputArea-output):has(.albumlib) {
    overflow: visible !important }
}
</style>"""


def wide(width: str) -> widgets.Layout:
    return widgets.Layout(width=width, max_width="100%")


def slider(feature: features.Feature, value: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=feature.low, max=feature.high, step=(feature.high - feature.low) / 200,
        readout=False, tooltip=feature.name,
        layout=widgets.Layout(width="100%", margin="22px 0 0 0"),
    )  # fmt: skip


def number(feature: features.Feature, value: float) -> widgets.FloatText:
    step = (feature.high - feature.low) / 100
    return widgets.FloatText(short(value), step=step, layout=wide("76px"))


def short(value: float) -> float:
    """A value as a person would write it."""
    return float(f"{value:.4g}")


def plain(name: str, low: float, high: float, value: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=low, max=high, step=(high - low) / 60, description=name, readout_format=".2f"
    )


def button(words: str, width: int = 80) -> widgets.Button:
    return widgets.Button(description=words, layout=wide(f"{width}px"))


def told() -> dict[str, widgets.Widget]:
    """What some models listen to beside the features, by the names of a drawing's fields."""
    years = [(ANY, ANY), *((str(year), year) for year in YEARS)]
    letters = [(ANY, ANY), ("with", True), ("without", False)]
    style = {"button_width": "70px"}
    return {
        "year": widgets.SelectionSlider(options=years, description="year"),
        "title": widgets.Text(placeholder="of a record, a song or both", description="title"),
        "text": widgets.ToggleButtons(options=letters, description="text", style=style),
    }


def asked(widget: widgets.Widget) -> object:
    """What a drawing says for the value of one of these."""
    return None if widget.value == ANY and hasattr(widget, "options") else widget.value


def admitted(widget: widgets.Widget, value: object) -> object:
    """The value of the widget for what a drawing says; room is made for a year between years."""
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
    return widgets.HBox([name, middle, number, unit])


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
        f"{SHOWN * step / max(1, len(y) - 1):.1f},{4 + 62 * (high - value) / (high - low):.1f}"
        for step, value in enumerate(y)
    )
    words = f"unlikeness over {len(losses)} steps: {losses[0]:.3f} to {min(losses):.3f}"
    line = f'<polyline points="{points}" fill="none" stroke="#1f6fa8" stroke-width="2"/>'
    picture = f'<svg width="{SHOWN}" height="70" aria-hidden="true">{line}</svg>'
    return f'<figure style="margin:0">{picture}<br>{words}</figure>'


def to_jpeg(pixels: np.ndarray) -> bytes:
    """A picture (H, W, 3) as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()
