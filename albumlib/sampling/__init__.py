"""What one does with a trained generator: covers for songs, latent space, videos, export.
Imports `evaluation` and what lies below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, ["latent", "request", "video"], submod_attrs={"request": ["Request"]}
)
