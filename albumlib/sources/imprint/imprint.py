"""The built-in imprint: artists, albums and tracks that never were, with covers to match.

Everything follows from a seed and an album's number, so that any album can be asked for alone.
Features have the joint distribution of real tracks (see `copula`); tracks of one album share most
of it, and release year is part of it. An album's cover is drawn from the mean features of its
tracks by the law in `artwork`; a small proportion is corrupted in the ways of the real world.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from albumlib import features
from albumlib.runtime.names import renamed
from albumlib.sources.base import CoverError, SourceError, Track
from albumlib.sources.imprint import artwork
from albumlib.sources.imprint.copula import Copula, normal_rank
from albumlib.sources.imprint.corruption import DEFECTS, corrupted
from albumlib.sources.imprint.grammar import album_title, artist_name, track_title

ALBUM_CORRELATION = 0.8  # of the normal scores of two tracks of one album
LENGTHS = (9, 12, 4, 10, 1, 11, 8, 13, 5, 7)  # tracks of albums 0 to 9, 10 to 19, ...
PER_TEN = sum(LENGTHS)
SEED = 2026  # not 2021, whose albums the models that ship have learned
LAW = 2  # the number of the law in `artwork`; the first is gone
OTHER_CHANCE = 10**9  # seeds of covers that no album of the imprint has
ALBUMS_PER_ARTIST = 4
FIRST_YEAR, LAST_YEAR = 1960, 2026


@dataclass(frozen=True)
class Album:
    """One album: its number, names, date, genre and tracks' features (T, 10) in their own units."""

    index: int
    title: str
    artist: str
    release_date: str
    genre: str
    features: np.ndarray
    titles: tuple[str, ...]

    @property
    def mean(self) -> np.ndarray:
        """The mean features (10,) that the cover is drawn from."""
        return self.features.mean(0)


@dataclass(frozen=True)
class Truth:
    """What was done to a cover: a name of DEFECTS, or "" for a clean one; text on it or not; and
    its layout, one of `artwork.LAYOUTS`."""

    defect: str
    text: bool
    layout: str


class Imprint:
    """The imprint as a source: `albums` albums, of whose covers the proportion `corruption` is
    corrupted. With `text` half of the covers bear names. With `table`, songs have the joint
    distribution of that table's features instead of the shipped one (see `Copula.of_table`); the
    law of the covers stays.

    >>> imprint = Imprint(albums=100)
    >>> first = next(imprint.tracks())
    >>> first.album == imprint.album(0).title, len(imprint.cover(first.cover, 64)) > 500
    (True, True)
    """

    name = "imprint"
    licence = "Names and numbers are invented, covers are drawn by this program: use them freely."

    def __init__(
        self,
        seed: int = SEED,
        albums: int = 8000,
        corruption: float = 0.03,
        text: bool = False,
        table: str | Path = "",
    ):
        if albums < 1 or not 0 <= corruption <= 1:
            raise SourceError("the built-in imprint needs albums >= 1 and corruption from 0 to 1")
        self.seed, self.albums, self.corruption, self.text = seed, albums, corruption, text
        self._table = Path(table).name
        self._copula = Copula.of_table(table) if table else Copula.load()

    @property
    def notes(self) -> tuple[str, ...]:
        """What became of the rows of `table`."""
        return self._copula.notes

    @property
    def identity(self) -> str:
        text = "" if self.text else ", no text"
        table = f", features of {self._table}" if self._table else ""
        return f"{self.name}, law {LAW}{text}{table}"

    @property
    def settings(self) -> dict[str, float]:
        return {"seed": self.seed, "corruption": self.corruption}

    @classmethod
    def named(cls, identity: str, **settings: float) -> "Imprint | None":
        """The imprint whose `identity` this is, with no end of albums; None for another source.
        `settings` are those that a gathered folder noted, also by their former names."""
        given = {"seed": 2021, **renamed(settings)}
        known = (cls(albums=10**9, text=text, **given) for text in (True, False))
        return next((imprint for imprint in known if imprint.identity == identity), None)

    def __len__(self) -> int:
        """How many tracks there are."""
        tens, rest = divmod(self.albums, 10)
        return tens * PER_TEN + sum(LENGTHS[:rest])

    def tracks(self, start: int = 0) -> Iterator[Track]:
        """All tracks in order, from position `start`; nothing before it is made."""
        tens, position = divmod(start, PER_TEN)
        first = 10 * tens
        while first < self.albums and position >= LENGTHS[first % 10]:
            position -= LENGTHS[first % 10]
            first += 1
        for index in range(first, self.albums):
            yield from self._tracks_of(self.album(index))[position:]
            position = 0

    def album(self, index: int) -> Album:
        """Album number `index`, always the same."""
        if not 0 <= index < self.albums:
            raise SourceError(f"there is no album {index}: the imprint has {self.albums}")
        rng = self._rng(index, 0)
        count = LENGTHS[index % 10]
        scores = self._scores(rng, count)
        values = self._copula.features(scores).round(6)
        year = FIRST_YEAR + (LAST_YEAR - FIRST_YEAR) * normal_rank(scores[0, -1]) ** 0.7
        date = f"{int(year)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
        mean = self._copula.ranks(values.mean(0)[None])[0]
        titles = tuple(track_title(rank, rng) for rank in self._copula.ranks(values))
        artist = artist_name(np.random.default_rng((self.seed, index // ALBUMS_PER_ARTIST, 7)))
        return Album(index, album_title(mean, rng), artist, date, genre_of(mean), values, titles)

    def cover(self, reference: str, size: int) -> bytes:
        """The cover that a track's `cover` names, as JPEG or PNG bytes, corrupted or not."""
        index = _number(reference)
        truth = self.truth(index)
        shown = self.shown_on(index)
        picture = self.picture(shown, size)
        return corrupted(picture, truth.defect, np.random.default_rng((self.seed, shown, 5)))

    def truth(self, index: int) -> Truth:
        """What cover `index` really is. For tests."""
        chance = self._chance(self.shown_on(index))
        text = self.text and artwork.has_text(*chance)
        return Truth(self._defect(index), text, artwork.layout_name(*chance))

    def shown_on(self, index: int) -> int:
        """The album that cover `index` was drawn for: another one where it is a duplicate."""
        return self._original_of(index) if "duplicate" in self._defect(index) else index

    def layout_of(self, reference: str) -> str:
        """The layout of the cover that a track's `cover` names."""
        return self.truth(_number(reference)).layout

    def picture(
        self, index: int, size: int, text: bool | None = None, chance: int | None = None
    ) -> Image.Image:
        """The cover of an album as it was drawn, before anything corrupted it.

        `text` says whether names are set on it; by default, that is as `truth` says. With `chance`
        it is another cover that the album might have had: composition and style follow from this
        number, the rest from the album.
        """
        other = (index,) if chance is None else (OTHER_CHANCE + chance, OTHER_CHANCE + chance)
        album = self.album(index)
        return self._drawn(album, album.artist, self._chance(*other), size, text)

    def by_artist(self, artist: int, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Covers (count, size, size, 3) uint8 and features (count, 10), as if by one artist."""
        albums = [self.album(index) for index in range(count)]
        name = artist_name(np.random.default_rng((self.seed, artist, 7)))
        covers = [
            self._drawn(album, name, self._chance(OTHER_CHANCE + album.index, artist), size)
            for album in albums
        ]
        return np.stack(covers), np.stack([album.mean for album in albums])

    def _drawn(
        self, album: Album, artist: str, seeds: tuple[int, int], size: int, text: bool | None = None
    ) -> Image.Image:
        """An album's cover by the seeds of the cover and of its artist's style."""
        if text is None and not self.text:
            text = False  # else None: as the law has it
        return artwork.draw_cover(
            album.mean, title=album.title, artist=artist, seed=seeds[0], artist_seed=seeds[1],
            size=size, text=text,
        )  # fmt: skip

    def _tracks_of(self, album: Album) -> list[Track]:
        rows = zip(album.titles, album.features.tolist(), strict=True)
        return [
            Track(
                id=f"track-{album.index}-{number}",
                name=title,
                features=dict(zip(features.NAMES, row, strict=True)),
                artist=album.artist,
                album_id=f"album-{album.index}",
                album=album.title,
                release_date=album.release_date,
                genre=album.genre,
                cover=f"album/{album.index}",
            )
            for number, (title, row) in enumerate(rows)
        ]

    def _scores(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Normal scores (count, 11): mostly the album's own, partly each track's."""
        album, own = self._copula.scores(rng, 1), self._copula.scores(rng, count)
        scores = np.sqrt(ALBUM_CORRELATION) * album + np.sqrt(1 - ALBUM_CORRELATION) * own
        scores[:, -1] = album[0, -1]  # one album, one year
        return scores

    def _original_of(self, index: int) -> int:
        """The earlier album whose cover a duplicate repeats, itself no duplicate."""
        original = int(self._rng(index, 6).integers(index))
        while original and "duplicate" in self._defect(original):
            original -= 1
        return original

    def _defect(self, index: int) -> str:
        rng = self._rng(index, 4)
        corrupt = index > 0 and rng.random() < self.corruption
        return DEFECTS[rng.integers(len(DEFECTS))] if corrupt else ""

    def _chance(self, index: int, artist: int | None = None) -> tuple[int, int]:
        """The seeds of a cover and of its artist's style."""
        artist = index // ALBUMS_PER_ARTIST if artist is None else artist
        return _mixed(self.seed, 8, index), _mixed(self.seed, 9, artist)

    def _rng(self, index: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, index, purpose))


def _number(reference: str) -> int:
    try:
        return int(reference.removeprefix("album/"))
    except ValueError:
        raise CoverError(f"{reference!r} is no cover of the built-in imprint") from None


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def genre_of(ranks: np.ndarray) -> str:
    """A genre from the ranks (10,) of an album's features: whichever claims it most."""
    rank = dict(zip(features.NAMES, ranks, strict=True))
    claims = {
        "folk": rank["acousticness"] + 0.2 - rank["energy"] * 0.4,
        "dance": rank["danceability"] * 0.7 + rank["energy"] * 0.3,
        "rap": rank["speechiness"] * 0.8 + rank["danceability"] * 0.2,
        "rock": rank["energy"] * 0.6 + rank["loudness"] * 0.4 - 0.1,
        "ambient": rank["instrumentalness"] + 0.1 - rank["energy"] * 0.5,
        "live": rank["liveness"] * 0.9,
        "pop": rank["valence"] * 0.6 + rank["popularity"] * 0.4,
    }
    return max(claims, key=claims.get)
