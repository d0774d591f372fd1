"""The notebooks as one run: profiles, resume, sweeps, the report. Imports `explorer` and what lies
below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "profiles": ["profile_settings"],
        "runner": ["check_claims", "profile_value", "record", "settle_paths"],
    },
)
