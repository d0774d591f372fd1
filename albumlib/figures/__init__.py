"""Every figure of the course. Functions take arrays and tables and return a matplotlib Figure.

They stand in `data_plots`, `model_plots` and `sheets` (figures that consist of covers), and can be
had from here. `use_style` makes whatever else you draw look like them.
"""

from __future__ import annotations

from albumlib.figures.data_plots import (
    album_spread,
    catalogue_state,
    correlations,
    distances,
    feature_histograms,
    feature_positions,
    funnel,
    over_time,
    real_and_independent,
    timeline,
    visible,
)
from albumlib.figures.grids import (
    album_row,
    before_after,
    covers,
    duplicates,
    extremes,
    feature_sweeps,
    framed,
    glimpse,
    interpolation,
    pairs,
    quarantine,
    sample_history,
)
from albumlib.figures.model_plots import (
    agreement,
    comparison,
    curves,
    damage_curves,
    fidelity_maps,
    label_recovery_bars,
    ladder,
    scatters,
    training_curves,
)
from albumlib.figures.style import use_style

__all__ = [
    "agreement",
    "album_row",
    "album_spread",
    "before_after",
    "catalogue_state",
    "comparison",
    "correlations",
    "covers",
    "curves",
    "damage_curves",
    "distances",
    "duplicates",
    "extremes",
    "feature_histograms",
    "feature_positions",
    "feature_sweeps",
    "fidelity_maps",
    "framed",
    "funnel",
    "glimpse",
    "interpolation",
    "label_recovery_bars",
    "ladder",
    "over_time",
    "pairs",
    "quarantine",
    "real_and_independent",
    "sample_history",
    "scatters",
    "timeline",
    "training_curves",
    "use_style",
    "visible",
]
