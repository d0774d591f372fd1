"""The networks, their losses, and the files that hold them. To understand the GAN read `networks`,
`losses` and `training.trainer`. Imports `features`, `runtime`, `sources`, `dataset`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    ["losses", "quantum", "titles", "conditions", "networks"],
    submod_attrs={
        "checkpoint": ["load_generator"],
        "conditions": ["extra_to_unit"],
        "networks": ["Critic", "Generator"],
    },
)
