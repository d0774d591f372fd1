"""Where tracks and covers come from: one file a source, all with the few names defined here."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from albumlib import AlbumlibError


@dataclass(frozen=True)
class Track:
    """One track as a source describes it; `features` in their own units, missing ones left out."""

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


@dataclass(frozen=True)
class Page:
    """Tracks that came together, and the position, a text of the source's own, after them."""

    tracks: list[Track]
    next: str


class Source(Protocol):
    """What a gathering needs of a source: tracks in a stable order, so that it can be resumed.

    One whose tracks come in pages from somewhere else has, instead of `tracks`, a method
    `pages(position: str = "") -> Iterator[Page]` that goes on after any page it has given.
    """

    name: str  # short, goes into the catalogue
    licence: str  # one sentence: what may be done with tracks and covers

    def tracks(self, start: int = 0) -> Iterator[Track]:
        """All tracks from position `start` on, in the same order each time."""

    def cover(self, reference: str, size: int) -> bytes:
        """The picture's bytes, about `size` pixels wide. Raises CoverError if there is none."""


class Labels(Protocol):
    """Where features come from if not from the source; see `sources.reccobeats`."""

    name: str
    licence: str
    batch: int  # how many may be asked for at once

    def find(self, keys: list[str]) -> dict[str, tuple[str, dict[str, float]]]:
        """By Spotify id or ISRC: the service's own id of a track, and features known so far."""

    def measure(self, records: list[str]) -> dict[str, dict[str, float]]:
        """By the service's own ids: all other features. What is left out is not known."""


class Covers(Protocol):
    """Where covers come from if not from the source; see `sources.coverart`."""

    name: str
    licence: str

    def reference(self, track: Track) -> str:
        """What `cover` will be asked for, the same for all tracks of an album."""

    def cover(self, reference: str, size: int) -> bytes:
        """As for a source."""


class SourceError(AlbumlibError):
    """The source cannot be used at all; the message says what to do."""


class CoverError(AlbumlibError):
    """One cover could not be had; the message is the reason kept in the catalogue."""


class Failed(SourceError):
    """One address cannot be had; others may."""
