"""From what was gathered to a cover set: catalogue, decoding, cleaning, splits, statistics.
Imports what lies below: `features`, `runtime`, `sources`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    ["statistics", "text_detection", "coverset"],
    submod_attrs={
        "catalog": ["Catalog"],
        "cleaning": ["clean"],
        "coverset": ["CoverSet"],
        "duplicates": ["near_pairs", "perceptual_hashes", "same_picture", "thumbnails"],
        "filters": ["Filter", "outside"],
        "gathering": ["gather", "tracks_of"],
        "images": ["CoverRejected", "decode"],
        "rules": ["RULES", "check_tracks"],
        "splits": ["split_of"],
        "text_detection": ["text_of"],
    },
)
