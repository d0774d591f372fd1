"""How good generated covers are and how well they follow their labels, with references.
Imports `models`, `training` and what lies below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    ["instruments", "label_recovery", "legibility", "metrics", "perfect", "retrieval", "scorecard"],
    submod_attrs={"extractor": ["extract", "load_extractor"]},
)
