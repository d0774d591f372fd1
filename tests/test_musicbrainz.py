"""MusicBrainz as a source, against a stand-in that answers as the service does."""

import json
import lzma
import tarfile

import pandas as pd
import pytest

from albumlib.dataset.catalog import Catalog
from albumlib.dataset.gathering import gather
from albumlib.sources.base import CoverError, SourceError
from albumlib.sources.coverart import CoverArtArchive
from albumlib.sources.musicbrainz import Dump, MusicBrainz
from albumlib.sources.web import Web
from tests.servers.world import GROUP, Services, World, mbid, sources_for, web_for

WORLD = World(albums=70)


@pytest.fixture
def services():
    services = Services(WORLD)
    yield services
    services.close()


def source_of(services, **wish) -> MusicBrainz:
    return sources_for(web_for(services.addresses), services.addresses, **wish)[0]


def asked(services) -> int:
    return len(services.musicbrainz.requests)


@pytest.mark.parametrize(
    ("wish", "albums"),
    [
        ({"artist": "artist 3"}, range(15, 20)),
        ({"artist": "00000001-0000-4000-8000-000000000003"}, range(15, 20)),
        ({"label": "The Label"}, range(70)),
        ({"tag": "jazz"}, range(70)),
        ({"tag": "jazz", "year": "1999"}, range(70)),
    ],
)
def test_all_tracks_of_a_wish_come_once_an_album(services, wish, albums):
    tracks = [track for page in source_of(services, **wish).pages() for track in page.tracks]
    numbers = [n for album in albums for n in range(album * WORLD.length, (album + 1) * 8)]
    assert {track.id for track in tracks} == {WORLD.track_id(n) for n in numbers}
    first = next(track for track in tracks if track.id == WORLD.track_id(numbers[0]))
    album = albums[0]
    assert (first.name, first.artist) == (f"Track {8 * album}", f"Artist {album // 5}")
    assert (first.album, first.album_id) == (f"Album {album}", mbid(GROUP, album))
    assert first.release_date == f"{1990 + album % 30}-05-01"
    assert first.genre == "jazz" and first.isrc == WORLD.isrc(8 * album)
    assert first.cover == f"release-group/{mbid(GROUP, album)}"


def test_a_page_holds_whole_releases_and_the_offset_follows_them(services):
    """500 tracks are 62 releases of 8, so 77 releases take two pages, and not 100 one."""
    sizes = [len(page.tracks) for page in source_of(services, label="The Label").pages()]
    assert sizes == [0, 62 * 8, 15 * 8]


@pytest.mark.parametrize("wish", [{"label": "The Label"}, {"tag": "jazz"}])
def test_a_position_goes_on_without_asking_again(services, wish):
    whole = [track.id for page in source_of(services, **wish).pages() for track in page.tracks]
    cost = asked(services)
    position, parts = "", []
    while True:  # a new start for every page
        page = next(source_of(services, **wish).pages(position), None)
        if page is None:
            break
        position = page.next
        parts += [track.id for track in page.tracks]
    assert parts == whole
    assert asked(services) == 2 * cost


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({}, "needs one artist"),
        ({"artist": "A", "label": "B"}, "needs one artist"),
        ({"artist": "A", "tag": "B"}, "needs one artist"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(services, wish, words):
    with pytest.raises(SourceError, match=words):
        source_of(services, **wish)


def test_an_unknown_artist_is_said_with_what_is_near(services):
    with pytest.raises(SourceError, match=r"knows no label 'Nobody'$"):
        list(source_of(services, label="Nobody").pages())
    with pytest.raises(SourceError, match="knows no artist 'near'; near it are 'Artist 0', 'Art"):
        list(source_of(services, artist="near").pages())


def test_without_a_contact_nobody_is_asked():
    with pytest.raises(SourceError, match="set ALBUMLIB_CONTACT"):
        CoverArtArchive(Web({}, memory=":memory:"))


def test_gathered_with_covers_and_a_limit(services, tmp_path):
    source = source_of(services, label="The Label")
    assert gather(source, tmp_path, limit=100, size=250, workers=4)["tracks"] == 100
    assert gather(source, tmp_path, limit=100, size=250, workers=4)["tracks"] == 100
    counts = gather(source, tmp_path, size=250, workers=4)
    assert counts["tracks"] == WORLD.tracks
    assert (counts["covers done"], counts["covers failed"]) == (63, 7)
    with Catalog(tmp_path / "catalog.sqlite") as catalog:
        row = catalog.covers().set_index("reference").loc[f"release-group/{mbid(GROUP, 12)}"]
    assert (tmp_path / row["file"]).read_bytes() == WORLD.picture(12, 250)


def test_covers_come_at_the_next_larger_width(services):
    source = source_of(services, artist="Artist 0")
    for size, width in ((64, 250), (250, 250), (300, 500), (500, 500), (900, 1200)):
        cover = source.cover(f"release-group/{mbid(GROUP, 0)}", size)
        assert cover == WORLD.picture(0, width)
    with pytest.raises(CoverError, match="HTTP 404"):
        source.cover(f"release-group/{mbid(GROUP, 9)}", 250)


# Dumps ------------------------------------------------------------------------------------------


def dumped(folder, kind):
    """A dump file as MusicBrainz publishes them, in one of its shapes."""
    lines = [json.dumps(r) for n in range(WORLD.albums) for r in WORLD.releases_of(n)]
    plain = folder / "release"
    plain.write_text("\n".join(lines) + "\n")
    if kind == "release":
        return plain
    if kind == "release.xz":
        (folder / kind).write_bytes(lzma.compress(plain.read_bytes()))
        return folder / kind
    (folder / "COPYING").write_text("CC0")
    with tarfile.open(folder / kind, "w:xz") as tar:
        tar.add(folder / "COPYING", "COPYING")
        tar.add(plain, "mbdump/release")
    return folder / kind


def dump_of(path, **wish):
    web = Web({}, contact="me@example.org", memory=":memory:")
    return Dump(path, CoverArtArchive(web), **wish)


@pytest.mark.parametrize("kind", ["release", "release.xz", "release.tar.xz"])
def test_a_dump_gives_the_same_tracks_as_the_service(services, tmp_path, kind):
    live = [t for page in source_of(services, label="The Label").pages() for t in page.tracks]
    read = [t for page in dump_of(dumped(tmp_path, kind)).pages() for t in page.tracks]
    with_cover = {track.id: track for track in live if WORLD.has_cover(int(track.album[6:]))}
    assert {track.id: track for track in read} == with_cover


@pytest.mark.parametrize(
    ("wish", "albums"),
    [
        ({"artist": "ARTIST 3"}, 4),
        ({"label": "The Label"}, 63),
        ({"tag": "Jazz"}, 63),
        ({"year": "1993"}, 3),
        ({"year": "1993", "artist": "Artist 0"}, 1),
        ({"tag": "polka"}, 0),
    ],
)
def test_a_dump_is_filtered(tmp_path, wish, albums):
    pages = dump_of(dumped(tmp_path, "release"), **wish).pages()
    assert len({track.album_id for page in pages for track in page.tracks}) == albums


def test_a_dump_goes_on_at_its_line(tmp_path, monkeypatch):
    monkeypatch.setattr("albumlib.sources.musicbrainz.LINES", 10)
    path = dumped(tmp_path, "release.tar.xz")
    pages = list(dump_of(path).pages())
    assert [page.next for page in pages] == ["10", "20", "30", "40", "50", "60", "70", "77"]
    assert list(dump_of(path).pages(pages[2].next)) == pages[3:]


def test_a_damaged_dump_is_said_plainly(tmp_path):
    path = dumped(tmp_path, "release.tar.xz")
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(SourceError, match="is damaged, fetch it again"):
        list(dump_of(path).pages())
    plain = dumped(tmp_path, "release")
    plain.write_bytes(plain.read_bytes()[:-300])
    with pytest.raises(SourceError, match="line 77 of the dump"):
        list(dump_of(plain).pages())
    with pytest.raises(SourceError, match="there is no dump"):
        dump_of(tmp_path / "none.tar.xz")


def test_a_gathered_dump_equals_a_gathered_service(services, tmp_path):
    gather(source_of(services, artist="Artist 0"), tmp_path / "live", size=250)
    web = web_for(services.addresses)
    covers = CoverArtArchive(web, services.coverart.url, services.musicbrainz.url)
    dump = Dump(dumped(tmp_path, "release"), covers, artist="Artist 0")
    gather(dump, tmp_path / "dump", size=250)
    tables = []
    for name in ("live", "dump"):
        with Catalog(tmp_path / name / "catalog.sqlite") as catalog:
            tables.append(catalog.tracks())
    pd.testing.assert_frame_equal(*tables)
