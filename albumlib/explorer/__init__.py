"""Sliders in front of a trained generator, in a notebook and as a page. Imports `studies` and what
lies below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"app": ["Explorer", "still"]}
)
