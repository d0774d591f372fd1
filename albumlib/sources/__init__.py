"""Where tracks and covers come from: one file a source, the built-in imprint in a folder.
Imports `features` and `runtime`.
"""

from __future__ import annotations

from albumlib.sources.base import CoverError, SourceError, Track

__all__ = [
    "CoverError",
    "SourceError",
    "Track",
]
