"""Where tracks and covers come from: one file a source, all with the few names defined here.

A source yields `Track`s in a stable order, so that a gathering can be resumed from a position,
and turns a track's `cover` reference into the bytes of a picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from albumlib import AlbumlibError


@dataclass(frozen=True)
class Track:
    """One track as a source tells it; `features` in their own units, missing ones left out."""

    id: str  # stable and unique within the source
    name: str
    artist: str
    album_id: str  # tracks of one album share it
    album: str
    release_date: str = ""  # "YYYY", "YYYY-MM" or "YYYY-MM-DD"; "" if unknown
    genre: str = ""
    cover: str = ""  # reference that the source's `cover` understands; "" if there is none
    features: dict[str, float] = field(default_factory=dict)
    isrc: str = ""


class Source(Protocol):
    """What a gathering needs of a source."""

    name: str  # short, goes into the catalogue
    licence: str  # one sentence: what may be done with tracks and covers

    def tracks(self, start: int = 0) -> Iterator[Track]:
        """All tracks from position `start` on, in the same order each time."""
        ...

    def cover(self, reference: str, size: int) -> bytes:
        """The picture's bytes, about `size` pixels wide. Raises CoverError if there is none."""
        ...


class SourceError(AlbumlibError):
    """The source cannot be used at all; the message says what to do."""


class CoverError(AlbumlibError):
    """One cover could not be had; the message is the reason kept in the catalogue."""
