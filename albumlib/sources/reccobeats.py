"""ReccoBeats: Spotify-like audio features and popularity, by Spotify id or ISRC, without a key.

Two steps, each up to 40 tracks a request: `find` gives which record a key means and how popular
it is, `measure` gives its features. Answers come in any order and leave out what is not known:
they are matched by identity. API: https://reccobeats.com/docs
"""

import re
from collections import Counter
from collections.abc import Iterator

from albumlib.sources.answers import Refused
from albumlib.sources.records import each, identity, known_features, number, text
from albumlib.sources.web import Limit, Web

API = "https://api.reccobeats.com/v1"
HOSTS = {"api.reccobeats.com": Limit(10, 5.0)}  # its own limit is not published
KEY = re.compile(r"[0-9A-Za-z]{22}|[A-Z]{2}[A-Z0-9]{3}\d{7}")  # Spotify id or ISRC


class ReccoBeats:
    """Labels for a gathering: see `sources.Labels`."""

    name = "reccobeats"
    licence = "Features by ReccoBeats, said to follow Spotify's former ones."
    batch = 40

    def __init__(self, web: Web, api: str = API):
        self.web, self.api, self.put_aside = web, api, Counter()

    def find(self, keys: list[str]) -> dict[str, tuple[str, dict[str, float]]]:
        """ReccoBeats' id and the popularity of each track that it knows; of several records of an
        ISRC, the most popular one's.
        """
        found = self._ask("track", [key for key in keys if KEY.fullmatch(key)])
        best: dict[str, dict] = {}
        for record in sorted(found, key=lambda r: (number(r.get("popularity")) or 0, r["id"])):
            best |= dict.fromkeys(_identities(record), record)
        return {key: (best[key]["id"], known_features(best[key])) for key in keys if key in best}

    def measure(self, records: list[str]) -> dict[str, dict[str, float]]:
        """The features of each record, by ReccoBeats' id, those it has."""
        found = self._ask("audio-features", records)
        return {record["id"]: known_features(record) for record in found}

    def _ask(self, what: str, ids: list[str]) -> list[dict]:
        """The records for these ids. If one of them is refused, the others are asked again."""
        if not ids:
            return []
        try:
            url = f"{self.api}/{what}"
            found = self.web.json(url, params={"ids": ",".join(ids)}, needs="content")["content"]
            return list(each(_right, found, self.put_aside))
        except Refused as error:
            if error.status != 400:
                raise
            middle = len(ids) // 2
            return self._ask(what, ids[:middle]) + self._ask(what, ids[middle:]) if middle else []


def _right(record: object) -> dict:
    """A record whose identities are texts. Raises Odd."""
    identity(record, "id")
    list(_identities(record))
    return record


def _identities(record: dict) -> Iterator[str]:
    yield text(record, "href").rsplit("/", 1)[-1]
    yield text(record, "isrc").replace("-", "").upper()
