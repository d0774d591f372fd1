"""Settings, one step, the loop around it, several processes.
Imports `models` and what lies below.
"""

from __future__ import annotations

from albumlib.models.checkpoint import TrainingError, load_generator
from albumlib.training.config import RECIPES, TrainingConfig, recipe, widths
from albumlib.training.loop import CollapseWarning, TrainingDiverged, read_records, train

__all__ = [
    "RECIPES",
    "CollapseWarning",
    "TrainingConfig",
    "TrainingDiverged",
    "TrainingError",
    "load_generator",
    "read_records",
    "recipe",
    "train",
    "widths",
]
