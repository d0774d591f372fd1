"""The built-in imprint, whose covers follow the music by a law that is written down, and the code
that draws them. Imports `features`, `runtime` and `sources.base`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"corruption": ["REPAIRABLE", "UNUSABLE", "corrupted"], "imprint": ["Imprint"]},
)
