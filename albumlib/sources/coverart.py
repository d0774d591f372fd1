"""Cover Art Archive: the front covers of MusicBrainz's albums, 250, 500 or 1200 pixels wide.

Its answers are redirects to the Internet Archive, which keeps the files.
API: https://musicbrainz.org/doc/Cover_Art_Archive/API
"""

import json
import re
from collections import Counter

from albumlib.sources.base import CoverError, Failed, SourceError, Track
from albumlib.sources.credentials import credentials
from albumlib.sources.records import Odd, each, text
from albumlib.sources.web import Limit, Web

API = "https://coverartarchive.org"
SEARCH = "https://musicbrainz.org/ws/2"
HOSTS = {
    "musicbrainz.org": Limit(1, 1.0),  # its rule: one a second
    "coverartarchive.org": Limit(10, 1.0),
    "archive.org": Limit(10, 1.0),
    "*.archive.org": Limit(10, 1.0),
}
WIDTHS = (250, 500, 1200)
MBID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class CoverArtArchive:
    """Covers for any source's tracks: see `sources.Covers`.

    An album is known by its MusicBrainz release group; albums of other sources are looked up by
    artist and title, which costs a request more.
    """

    name = "coverart"
    licence = "Covers belong to their owners: ask them before you show what a model made of them."
    waits = True

    def __init__(self, web: Web, api: str = API, search: str = SEARCH):
        self.web, self.api, self.search, self.put_aside = web, api, search, Counter()
        if not web.contact:
            raise SourceError(
                "MusicBrainz and the Cover Art Archive want to know whom to write to: set "
                "ALBUMLIB_CONTACT to your mail address, in the environment or in a file .env"
            )

    def reference(self, track: Track) -> str:
        """The album's release group, or artist and title to look it up by."""
        if MBID.fullmatch(track.album_id):
            return f"release-group/{track.album_id}"
        return json.dumps([track.artist, track.album], ensure_ascii=False)

    def cover(self, reference: str, size: int) -> bytes:
        """The front cover, at least `size` pixels wide where there is such a one."""
        width = next((width for width in WIDTHS if width >= size), WIDTHS[-1])
        try:
            path = reference if reference.startswith("release") else self._found(reference)
            return self.web.picture(f"{self.api}/{path}/front-{width}")
        except Failed as error:
            raise CoverError(str(error)) from error

    def _found(self, reference: str) -> str:
        artist, album = json.loads(reference)
        query = f"releasegroup:{quoted(album)} AND artist:{quoted(artist)}"
        params = {"query": query, "fmt": "json", "limit": "10"}
        url, what = f"{self.search}/release-group", "release-groups"
        found = self.web.json(url, params=params, needs=what)[what]
        for mbid, title in each(titled, found, self.put_aside):
            if _plain(title) == _plain(album):
                return f"release-group/{mbid}"
        raise CoverError(f"MusicBrainz knows no album {album!r} by {artist!r}")


def contact() -> str:
    """Whom servers may write to: ALBUMLIB_CONTACT. Raises SourceError if it is not set."""
    name = "ALBUMLIB_CONTACT"
    return credentials(name, where="it is your mail address, for those who keep the servers")[name]


def titled(entity: object) -> tuple[str, str]:
    """MusicBrainz' id of something, and its title or name. Raises Odd."""
    mbid = text(entity, "id")
    if not MBID.fullmatch(mbid):
        raise Odd("no MusicBrainz id")
    return mbid, text(entity, "title") or text(entity, "name")


def quoted(text: str) -> str:
    """A text as a phrase of a search."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.casefold()).strip()
