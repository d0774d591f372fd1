"""Every figure of the course. Functions take arrays and tables and return a matplotlib Figure.

`use_style` makes whatever else you draw look like them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    ["concepts", "diagram", "grids"],
    submod_attrs={
        "data_plots": [
            "album_spread", "catalogue_state", "correlations", "distances",
            "feature_histograms", "feature_positions", "funnel", "over_time",
            "real_and_independent", "shown_by_covers", "timeline", "visible"
        ],
        "grids": [
            "album_row", "before_after", "covers", "extremes", "feature_sweeps",
            "framed", "interpolation", "pairs", "sample_history"
        ],
        "model_plots": [
            "agreement", "comparison", "curves", "damage_curves",
            "label_recovery_bars", "ladder", "sanity", "scatters", "training_curves"
        ],
        "rejects": ["duplicates", "glimpse", "quarantine"],
        "style": ["use_style"],
    },
)  # fmt: skip
