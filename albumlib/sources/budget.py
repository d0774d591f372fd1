"""What a gathering will cost, before it is begun: requests by host and time, for each route."""

import math
from dataclasses import dataclass

import pandas as pd

from albumlib.sources import coverart, musicbrainz, reccobeats, spotify
from albumlib.sources.web import Limit

LATENCY = 0.3  # seconds between a request and its answer
WEB, ART, LABELS = "musicbrainz.org", "coverartarchive.org", "api.reccobeats.com"
STORES = ("archive.org", "*.archive.org")  # to which the Cover Art Archive redirects
SPOTIFY, PICTURES = "api.spotify.com", "i.scdn.co"
LIMITS: dict[str, Limit] = {**coverart.HOSTS, **reccobeats.HOSTS, **spotify.HOSTS}


@dataclass(frozen=True)
class Shape:
    """What the music asked for is like; the defaults are guesses to be replaced by counts."""

    per_album: float = 10.0  # tracks
    per_name: float = 200.0  # tracks of an artist or label that is asked for
    editions: float = 1.5  # official releases of an album
    with_code: float = 0.6  # proportion of tracks with an ISRC
    known: float = 0.8  # of those, that ReccoBeats knows
    with_cover: float = 0.9  # of albums


def budget(tracks: int = 1_000_000, shape: Shape | None = None) -> dict[str, dict[str, int]]:
    """Requests by host for so many tracks with labels and covers: one entry a route."""
    shape = shape or Shape()
    albums = tracks / shape.per_album
    groups, redirected = math.ceil(albums), math.ceil(albums * shape.with_cover)
    covers = {ART: groups, **dict.fromkeys(STORES, redirected)}
    open_road = covers | _labels(tracks * shape.with_code, shape.known)
    # pages of albums, an empty one at the end, and a request for each album
    searched = math.ceil(albums / musicbrainz.MOST) + 1 + groups
    asked = spotify.requests_for(tracks, round(shape.per_album))
    pictures = {PICTURES: groups, **_labels(tracks, shape.known)}
    return {
        "musicbrainz dump": open_road,
        "musicbrainz by artist or label": open_road | {WEB: _browsed(tracks, albums, shape)},
        "musicbrainz by tag or year": open_road | {WEB: searched},
        "spotify by artist": {SPOTIFY: asked["artist"], **pictures},
        "spotify by search": {SPOTIFY: asked["search"], **pictures},
    }


def hours(requests: dict[str, int]) -> float:
    """How long they take at the pace that is kept: labels after tracks, covers after labels."""
    day = {SPOTIFY + spotify.DAY: requests.get(SPOTIFY, 0)}  # Spotify's second limit
    stages = ((WEB, SPOTIFY, *day), (LABELS,), (ART, *STORES, PICTURES))
    needed = requests | day
    seconds = {
        host: needed.get(host, 0) / limit.requests * (limit.seconds + LATENCY)
        for host, limit in LIMITS.items()
    }
    return sum(max(seconds[host] for host in stage) for stage in stages) / 3600


def overview(tracks: int = 1_000_000, shape: Shape | None = None) -> pd.DataFrame:
    """The routes side by side: requests by host, and days."""
    routes = budget(tracks, shape)
    table = pd.DataFrame(routes).T.fillna(0).astype(int)
    return table.assign(days=[round(hours(requests) / 24, 1) for requests in routes.values()])


def _browsed(tracks: float, albums: float, shape: Shape) -> int:
    """A look-up of each name, then pages of whole releases."""
    names = max(1, round(tracks / shape.per_name))
    a_page = min(musicbrainz.MOST, max(1, musicbrainz.TRACKS // shape.per_album))
    return names * (1 + math.ceil(albums * shape.editions / names / a_page))


def _labels(keys: float, known: float) -> dict[str, int]:
    """Two steps: which record is it, and what are its features."""
    batch = reccobeats.ReccoBeats.batch
    return {LABELS: math.ceil(keys / batch) + math.ceil(keys * known / batch)}
