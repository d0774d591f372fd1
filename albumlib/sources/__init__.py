"""Where tracks and covers come from: one file a source, the built-in imprint in a folder.
Imports `features` and `runtime`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    ["budget"],
    submod_attrs={
        "base": ["CoverError", "SourceError", "Track"],
        "choose": ["open_labels", "open_source"],
        "web": ["Limit", "Web"],
        "imprint": ["Imprint"],
    },
)
