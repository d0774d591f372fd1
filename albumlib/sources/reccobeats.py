"""ReccoBeats: Spotify-like audio features and popularity, by Spotify id or ISRC, without a key.

Two steps, each up to 40 tracks a request: `find` tells which record a key means and how popular
it is, `measure` gives its features. Answers come in any order and leave out what is not known:
they are matched by identity. API: https://reccobeats.com/docs
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from albumlib import features
from albumlib.sources.web import Limit, Refused, Web

API = "https://api.reccobeats.com/v1"
HOSTS = {"api.reccobeats.com": Limit(10, 5.0)}  # its own limit is not published
KEY = re.compile(r"[0-9A-Za-z]{22}|[A-Z]{2}[A-Z0-9]{3}\d{7}")  # Spotify id or ISRC


class ReccoBeats:
    """Labels for a gathering: see `sources.Labels`."""

    name = "reccobeats"
    licence = "Features by ReccoBeats, said to follow Spotify's former ones."
    batch = 40

    def __init__(self, web: Web, api: str = API):
        self.web, self.api = web, api

    def find(self, keys: list[str]) -> dict[str, tuple[str, dict[str, float]]]:
        """ReccoBeats' id and the popularity of each track that it knows.

        An ISRC can mean several records: the most popular is taken.
        """
        content = self._ask("track", [key for key in keys if KEY.fullmatch(key)])
        best: dict[str, dict] = {}
        for record in sorted(content, key=lambda r: (_number(r.get("popularity")) or 0, r["id"])):
            for key in _identities(record):
                best[key] = record
        return {key: (best[key]["id"], _known(best[key])) for key in keys if key in best}

    def measure(self, records: list[str]) -> dict[str, dict[str, float]]:
        """The features of each record, by ReccoBeats' id, those it has."""
        return {record["id"]: _known(record) for record in self._ask("audio-features", records)}

    def _ask(self, what: str, ids: list[str]) -> list[dict]:
        """The records for these ids. If one of them is refused, the others are asked again."""
        if not ids:
            return []
        try:
            url = f"{self.api}/{what}"
            found = self.web.json(url, params={"ids": ",".join(ids)}, needs="content")["content"]
            return [record for record in found if isinstance(record, dict) and record.get("id")]
        except Refused as error:
            if error.status != 400:
                raise
            middle = len(ids) // 2
            return self._ask(what, ids[:middle]) + self._ask(what, ids[middle:]) if middle else []


def _identities(record: dict) -> Iterator[str]:
    """What a record may have been asked for by."""
    yield str(record.get("href") or "").rsplit("/", 1)[-1]
    yield str(record.get("isrc") or "").replace("-", "").upper()


def _known(record: dict) -> dict[str, float]:
    values: Iterable[tuple[str, float | None]] = (
        (name, _number(record.get(name))) for name in features.NAMES
    )
    return {name: value for name, value in values if value is not None}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
