"""Settings, one step, the loop around it, several processes.
Imports `models` and what lies below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["TrainingConfig", "recipe", "widths"],
        "loop": ["TrainingDiverged", "read_records", "train"],
    },
)
