"""Comparisons over seeds and variants, whose results lie in `data/measured`. Imports `figures` and
what lies below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    ["ablations", "finetuning", "latent_steps", "quantum_prior", "records", "sizes"],
    submod_attrs={
        "legacy2021": [
            "BUGS",
            "Build",
            "CHOICES",
            "DIFFERENCES",
            "REPLACEMENTS",
            "bugs_alone",
            "build_config",
            "latent_step_2021",
        ],
        "records": ["differences", "paired_difference"],
        "setup": ["Setup", "shrink"],
    },
)
