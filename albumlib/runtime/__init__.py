"""What any wing may use: progress bars, worker processes, random numbers, paths, the check of an
installation. Imports only `albumlib.features` and the standard library of the field.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"progress": ["milestones", "training_milestones"]}
)

# torch takes seeds below 2**63, and a training step's own seed is `seed * 1_000_003 + step`.
LARGEST_SEED = 9_000_000_000_000
