"""Answers of the wrong shape, in each live source: an odd record costs that record alone."""

import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from albumlib.dataset.catalog import Catalog
from albumlib.dataset.gathering import gather
from albumlib.sources import records, spotify
from albumlib.sources.base import CoverError, SourceError
from albumlib.sources.coverart import CoverArtArchive
from albumlib.sources.musicbrainz import Dump
from tests.servers.odd import CHANGES, JSON, odd
from tests.servers.spotify import USER, Spotify
from tests.servers.standin import Reply
from tests.servers.world import GROUP, Services, World, mbid, sources_for, web_for
from tests.test_spotify import client, credentials, opened, tracks, user_login  # noqa: F401

WORLD = World(albums=4, length=3)
FEW = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
DEEP = b'{"a":' * 100_000


class OddSpotify(Spotify):
    """Answers `instead` where the path holds `where`."""

    where, instead, answers = "nowhere", None, 0

    def reply(self, path, query, agent):
        right = super().reply(path, query, agent)
        if self.where not in path or right.status != 200:
            return right
        return Reply(self.instead)


@pytest.fixture(scope="module")
def server():
    server = OddSpotify(albums=2, length=3)
    yield server
    server.close()


@pytest.fixture(scope="module")
def services():
    services = Services(WORLD)
    yield services
    services.close()


def source_of(server, folder, **wish):
    web = client(server, sleep=lambda seconds: None, longest_wait=0.0)
    login = {"login": user_login()} if "playlists" in wish else {}
    return opened(server, folder, web, **login, **wish)


def storable(found, folder):
    """Whether a catalogue takes these tracks."""
    for file in folder.glob("catalog*"):
        file.unlink()
    with Catalog(folder / "catalog.sqlite") as catalog:
        catalog.add_tracks(found)
        catalog.tracks()
    return True


# One part of an answer is anything ----------------------------------------------------------------


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("where", "wish"),
    [
        ("/v1/search", {"search": "x"}),
        ("/v1/search", {"artist": "The Standins"}),
        ("/v1/artists", {"artist": "The Standins"}),
        ("/v1/albums", {"artist": "The Standins"}),
        ("/v1/me", {"playlists": "all"}),
        ("/v1/playlists", {"playlists": "all"}),
    ],
)
@FEW
@given(change=CHANGES)
def test_spotify(server, tmp_path_factory, where, wish, change):
    folder = tmp_path_factory.mktemp("odd")
    server.where = "nowhere"
    right = server.reply(*_question(server, where, wish))
    server.where, server.instead = where, odd(right.body, change)
    source = source_of(server, folder, **wish)
    try:
        found = tracks(source)
    except SourceError:
        return
    assert storable(found, folder)
    for track in filter(lambda track: track.cover, found):
        try:
            source.cover(track.cover, 300)
        except CoverError as error:
            assert str(error)


def _question(server, where, wish):
    about = {"q": "artist:x", "type": "artist" if "artist" in wish else "track", "limit": "10"}
    path = {
        "/v1/artists": f"/v1/artists/{server.artist()['id']}/albums",
        "/v1/albums": f"/v1/albums/{server.album(0)['id']}",
        "/v1/me": "/v1/me/playlists",
        "/v1/playlists": f"/v1/playlists/{next(iter(server.playlists()))}/items",
    }.get(where, where)
    return path, about, f"Bearer {USER}"


@pytest.mark.usefixtures("credentials")
@FEW
@given(change=CHANGES)
def test_an_odd_track_of_spotify_leaves_the_others(server, tmp_path_factory, change):
    folder = tmp_path_factory.mktemp("odd")
    items = [track | {"popularity": 5} for track in server.every()]
    page = {"tracks": {"items": items, "total": 6, "next": None}}
    server.where = "/v1/search"
    server.instead = page
    whole = tracks(source_of(server, folder, search="x"))
    server.instead = odd(page, change, below=("tracks", "items", 2))
    source = source_of(server, folder, search="x")
    found = tracks(source)
    assert all(track in found for track in whole[:2] + whole[3:])
    assert len(found) + sum(source.put_aside.values()) >= 5


@pytest.mark.parametrize("kind", ["musicbrainz", "coverart", "reccobeats"])
@FEW
@given(change=CHANGES)
def test_open_services(services, tmp_path_factory, kind, change):
    folder = tmp_path_factory.mktemp("odd")
    server, right = services.musicbrainz, services._musicbrainz
    if kind == "reccobeats":
        server, right = services.reccobeats, services._reccobeats

    def answer(*question):
        reply = right(*question)
        return Reply(odd(reply.body, change), reply.status)

    server.answer = answer
    try:
        _ask(services, folder, kind)
    except (SourceError, CoverError) as error:
        assert str(error)
    finally:
        server.answer = right


def _ask(services, folder, kind):
    web = web_for(services.addresses, sleep=lambda seconds: None, longest_wait=0.0)
    source, labels = sources_for(web, services.addresses, label="The Label")
    if kind == "musicbrainz":
        found = [track for page in source.pages() for track in page.tracks]
        assert storable(found, folder)
    elif kind == "coverart":
        source.covers.cover(json.dumps(["Artist 0", "Album 1"]), 250)
    else:
        known = labels.find([WORLD.isrc(1), WORLD.isrc(2)])
        measured = labels.measure([record for record, _ in known.values()])
        json.dumps([known, measured], ensure_ascii=False, allow_nan=False).encode()


@FEW
@given(change=CHANGES)
def test_an_odd_track_of_a_release_leaves_the_others(tmp_path_factory, change):
    folder = tmp_path_factory.mktemp("dump")
    releases = [release for album in range(4) for release in WORLD.releases_of(album)]
    covers = CoverArtArchive(web_for({}, contact="me@example.org"))
    wholes = [_dumped(folder, releases, covers), None]
    releases[1] = odd(releases[1], change, below=("media", 0, "tracks", 1))
    wholes[1] = _dumped(folder, releases, covers)
    assert all(track in wholes[1] for track in wholes[0] if not track.id.endswith("000004"))


def _dumped(folder, releases, covers):
    (folder / "release").write_text("\n".join(map(json.dumps, releases)))
    return [track for page in Dump(folder / "release", covers).pages() for track in page.tracks]


@given(JSON)
def test_numbers_are_finite_or_missing(value):
    found = records.number(value)
    assert found is None or abs(found) < records.BIGGEST


# Single cases -------------------------------------------------------------------------------------


def album(**changes):
    return {"id": "b", "name": "A", "images": []} | changes


@pytest.mark.parametrize(
    ("track", "reason"),
    [
        ({"id": None, "album": album()}, "no id"),
        ({"album": album()}, "no id"),
        ({"id": "a", "album": album(id=None)}, "no album.id"),
        ({"id": "a", "album": None}, "no album.id"),
        ({"id": "a", "name": "\ud800", "album": album()}, "name is no Unicode text"),
        ({"id": ["a"], "album": album()}, "id is no str"),
        ({"id": "a", "artists": "X", "album": album()}, "artists is no list"),
        ({"id": "a", "album": album(images=[{"width": 64}])}, "no url"),
        ("a track", "no object around 'album'"),
    ],
)
def test_what_is_wrong_with_a_track_is_said(track, reason):
    aside = Counter()
    assert not list(records.each(lambda one: spotify._track(one, {}), [track], aside))
    assert aside == {reason: 1}


@pytest.mark.parametrize(
    "track",
    [
        {"id": "a", "album": album(images=None), "artists": None, "external_ids": None},
        {"id": "a", "album": album(images=[], release_date=None), "artists": []},
        {"id": "a", "album": album(), "popularity": float("nan"), "energy": 10**400},
    ],
)
def test_nulls_are_left_out(track):
    found = spotify._track(track, {})
    assert (found.id, found.artist, found.cover, found.features) == ("a", "", "", {})


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("page", [None, [], {"items": None}, {}])
def test_an_album_without_tracks_costs_that_album(server, tmp_path, page):
    server.where = f"/v1/albums/{server.album(0)['id']}"
    server.instead = server.album(0) | {"tracks": page}
    source = source_of(server, tmp_path, artist="The Standins")
    assert {track.album for track in tracks(source)} == {"Album 1"}
    assert sum(source.put_aside.values()) == 1


@pytest.mark.usefixtures("credentials")
def test_a_picture_whose_width_nobody_knows_is_taken_where_no_other_will_do(server, tmp_path):
    server.where = "nowhere"
    source = source_of(server, tmp_path, search="x")
    address = f"{server.url}/i/{server.album(0)['id']}"
    images = [{"url": f"{address}/640", "width": None, "height": None}]
    track = spotify._track({"id": "a", "album": album(images=images)}, {})
    assert source.cover(track.cover, 300)
    images += [{"url": f"{address}/300", "width": 300}]
    track = spotify._track({"id": "a", "album": album(images=images)}, {})
    source.cover(track.cover, 200)
    assert server.requests[-1].path.endswith("/300")


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("address", ["https://i.scdn.co/a b", "https://[::1", "x\ny", "file:///x"])
def test_an_address_that_is_none_is_a_failed_cover(server, tmp_path, address):
    images = [{"url": address, "width": 640}]
    cover = spotify._track({"id": "a", "album": album(images=images)}, {}).cover
    with pytest.raises(CoverError, match=r"fetched|no address"):
        source_of(server, tmp_path, search="x").cover(cover, 300)


def test_json_that_is_too_deep_ends_in_a_sentence(services):
    server, right = services.reccobeats, services._reccobeats
    server.answer = lambda *question: Reply(DEEP)
    web = web_for(services.addresses, sleep=lambda seconds: None)
    labels = sources_for(web, services.addresses, label="x")[1]
    with pytest.raises(SourceError, match="broken JSON"):
        labels.find([WORLD.isrc(1)])
    server.answer = right


def test_what_was_put_aside_is_counted(services, tmp_path):
    server, right = services.musicbrainz, services._musicbrainz

    def answer(*question):
        reply = right(*question)
        for release in reply.body.get("releases", []):
            release["media"][0]["tracks"][0]["title"] = "\udfff"
        return reply

    server.answer = answer
    web = web_for(services.addresses)
    counts = gather(sources_for(web, services.addresses, artist="Artist 0")[0], tmp_path, size=250)
    assert counts["tracks"] == 8 and counts["put aside: title is no Unicode text"] == 4
    server.answer = right


def test_a_path_of_the_archive_is_an_id(services):
    """What a service calls an id goes into an address."""
    server, right = services.musicbrainz, services._musicbrainz
    groups = [
        {"id": "../../elsewhere", "title": "Album 1"},
        {"id": mbid(GROUP, 1), "title": "Album 1"},
    ]
    server.answer = lambda *question: Reply({"release-groups": groups})
    covers = sources_for(web_for(services.addresses), services.addresses, label="x")[0].covers
    assert covers.cover(json.dumps(["Artist 0", "Album 1"]), 250) == WORLD.picture(1, 250)
    assert covers.put_aside == {"no MusicBrainz id": 1}
    server.answer = right
