"""Spotify through spotipy, against a stand-in that answers as it does since 2026, or did before."""

import json
import time
from collections import Counter
from urllib.parse import urlsplit

import numpy as np
import pytest
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyOAuth

from albumlib import features
from albumlib.dataset.catalog import Catalog
from albumlib.dataset.gathering import gather
from albumlib.sources import spotify, spotify_client, web
from albumlib.sources.base import SourceError
from albumlib.sources.spotify import requests_for
from albumlib.sources.spotify_client import QuotaUsed
from albumlib.sources.web import DAY, Limit, Unreachable, Wait, Web
from tests.servers.spotify import USER, WIDTHS, spotify_id
from tests.servers.spotify import Spotify as Server
from tests.servers.standin import FAULTS
from tests.servers.world import Services, World, sources_for, web_for

QUICK = Limit(100_000, 1.0)


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "client")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "secret")


@pytest.fixture
def started():
    """Starts stand-ins, and stops them in the end."""
    servers = []

    def start(*arguments, **options):
        servers.append(Server(*arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def client(server, day=QUICK, **options):
    login = server.netloc.replace("127.0.0.1", "localhost")  # has no share in the day's budget
    hosts = {server.netloc: QUICK, server.netloc + DAY: day, login: QUICK}
    options = {"memory": ":memory:", "longest_wait": 5.0} | options
    return Web(hosts, trusted=frozenset({server.netloc, login}), **options)


def opened(server, folder, web=None, **wish):
    tokens = server.token_url.replace("127.0.0.1", "localhost")
    where = {"api": server.api, "tokens": tokens, "memory": folder / "spotify.json"}
    return spotify.Spotify(web or client(server), **where, **wish)


def tracks(source, position=""):
    return [track for page in source.pages(position) for track in page.tracks]


def user_login():
    info = {"access_token": USER, "expires_at": time.time() + 3600, "scope": spotify_client.SCOPE}
    cache = MemoryCacheHandler(token_info=info)
    return SpotifyOAuth(
        "client", "secret", spotify_client.REDIRECT, scope=spotify_client.SCOPE, cache_handler=cache
    )


# What comes ---------------------------------------------------------------------------------------


def test_a_search_comes_in_pages_of_ten_with_all_that_is_known(started, tmp_path):
    server = started()
    found = tracks(opened(server, tmp_path, search="year:2020"))
    assert [track.id for track in found] == [track["id"] for track in server.every()]
    first = found[0]
    assert (first.name, first.artist, first.album) == ("Track 0", "The Standins", "Album 0")
    assert (first.release_date, first.isrc) == ("1990-06", "QZABC0000000")
    assert first.features == {}
    searches = [path for path in server.asked if "search" in path]
    assert len(searches) == 6 and all("limit=10" in path for path in searches)


@pytest.mark.parametrize("wish", [{"artist": "the standins"}, {"artist": spotify_id("R", 1)}])
def test_the_albums_of_an_artist_one_by_one(started, tmp_path, wish):
    server = started()
    found = tracks(opened(server, tmp_path, **wish))
    assert {track.id for track in found} == {track["id"] for track in server.every()}
    assert found[0].album == "Album 0" and found[0].cover.count("\n") == 2
    kinds = Counter(urlsplit(path).path.split("/")[2] for path in server.asked)
    # refused once each: several albums, several tracks, features; then never asked again
    assert kinds["albums"] == 12 + 1 and kinds["tracks"] == 1 and kinds["audio-features"] == 1


def test_an_old_app_gets_many_at_once_with_popularity_and_features(started, tmp_path):
    server = started(old=True)
    found = {track.id: track for track in tracks(opened(server, tmp_path, artist="The Standins"))}
    assert len(found) == 60
    for track in server.every():
        known, measured = found[track["id"]].features, server.features(track["id"]) or {}
        assert known["popularity"] == track["popularity"]
        assert all(known[name] == measured[name] for name in measured if name != "id")
        assert len(known) == (10 if measured else 1)
    assert {track.isrc for track in found.values()} > {"QZABC0000001", "QZABC0000059"}
    kinds = Counter(urlsplit(path).path.strip("/") for path in server.asked)
    assert kinds["v1/albums"] == 2 and not any("v1/albums/" in kind for kind in kinds)


def test_features_where_only_they_are_allowed(started, tmp_path):
    server = started(allows_features=True)
    found = tracks(opened(server, tmp_path, search="x"))
    assert sum(len(track.features) == 9 for track in found) == 54
    assert sum(not track.features for track in found) == 6


def test_what_an_app_may_not_ask_is_remembered_for_a_month(started, tmp_path, monkeypatch):
    server = started()
    tracks(opened(server, tmp_path, search="x"))
    tracks(opened(server, tmp_path, search="x"))
    asked = "\n".join(server.asked)
    assert asked.count("audio-features") == 1
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "another")  # another app may be luckier
    assert "client" not in (tmp_path / "spotify.json").read_text()
    later = time.time() + spotify_client.GONE_FOR + 1
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "client")
    monkeypatch.setattr(spotify_client.time, "time", lambda: later)
    tracks(opened(server, tmp_path, search="x"))
    assert "\n".join(server.asked).count("audio-features") == 2


def test_albums_by_link_and_their_many_tracks(started, tmp_path):
    server = started(albums=3, length=120)
    links = f"https://open.spotify.com/album/{spotify_id('A', 2)} {spotify_id('A', 0)}"
    found = tracks(opened(server, tmp_path, albums=links))
    assert [track.id for track in found] == [
        spotify_id("0", number) for number in [*range(240, 360), *range(120)]
    ]


def test_the_users_own_playlists(started, tmp_path):
    server = started(albums=20)
    source = opened(server, tmp_path, playlists="all", login=user_login())
    pages = list(source.pages())
    found = [track.id for page in pages for track in page.tracks]
    assert found == [track["id"] for track in server.every()[:60]]
    assert [page.next for page in pages] == [
        f"{spotify_id('P', 1)} 4", f"{spotify_id('P', 2)} 50", f"{spotify_id('P', 2)} 58",
    ]  # fmt: skip
    for number, page in enumerate(pages):
        assert list(source.pages(page.next)) == pages[number + 1 :]
    one = opened(server, tmp_path, playlists=spotify_id("P", 1), login=user_login())
    assert len(tracks(one)) == 2


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("wish", [{"search": "x"}, {"artist": "The Standins"}])
def test_it_goes_on_after_any_page(started, tmp_path, wish, old):
    source = opened(started(albums=25, old=old), tmp_path, **wish)
    pages = list(source.pages())
    for number in (0, len(pages) // 2, len(pages) - 1):
        assert list(source.pages(pages[number].next)) == pages[number + 1 :]


def test_a_search_ends_where_spotify_ends_it(started, tmp_path):
    server = started(albums=220)
    assert len(tracks(opened(server, tmp_path, search="x"))) == 1000
    assert len(server.asked) == 101  # and the features, once


@pytest.mark.parametrize(("size", "width"), [(1, 64), (64, 64), (65, 300), (300, 300), (2000, 640)])
def test_the_smallest_picture_that_will_do(started, tmp_path, size, width):
    server = started()
    source = opened(server, tmp_path, search="x")
    cover = tracks(source)[0].cover
    source.cover(cover, size)
    assert server.requests[-1].path.endswith(f"/{width}") and width in WIDTHS


def test_gathering_fetches_each_albums_picture_once(started, tmp_path):
    server = started()
    counts = gather(opened(server, tmp_path, search="x"), tmp_path / "out", size=64)
    assert (counts["tracks"], counts["covers done"]) == (60, 12)
    pictures = Counter(r.path for r in server.requests if r.path.startswith("/i/"))
    assert len(pictures) == 12 and set(pictures.values()) == {1}


def test_what_spotify_keeps_back_comes_from_reccobeats_by_id(started, tmp_path):
    world = World(albums=12, length=5)
    services = Services(world)
    labels = sources_for(web_for(services.addresses), services.addresses, artist="x")[1]
    gather(opened(started(), tmp_path, search="x"), tmp_path / "out", labels=labels)
    services.close()
    with Catalog(tmp_path / "out" / "catalog.sqlite") as catalog:
        table = catalog.tracks().set_index("id")
    for number in range(60):
        known = world.features(number) | {"popularity": world.popularity(number)}
        expected = features.to_array(known if world.is_known(number) else {})
        found = features.to_array(table.loc[[spotify_id("0", number)]])[0]
        np.testing.assert_array_equal(found, expected)


# What it costs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("wish", [{"search": "x"}, {"artist": spotify_id("R", 1)}])
def test_the_requests_are_those_that_were_foretold(started, tmp_path, wish, old):
    server = started(albums=50, length=10, old=old)
    found = tracks(opened(server, tmp_path, **wish))
    [kind] = wish
    foretold = requests_for(len(found), 10, many=old)[kind]
    once = 1 + (3 if kind == "artist" else 1) * (not old)  # the artist, and what is refused
    assert foretold <= len(server.asked) <= 1.05 * foretold + once


def test_the_budget_of_a_day_is_kept_over_starts(started, tmp_path):
    server, now = started(), [1_000_000.0]
    options = {"memory": tmp_path / "requests.sqlite", "clock": lambda: now[0]}
    day = Limit(4, 86_400.0)
    for _ in range(2):
        with pytest.raises(QuotaUsed, match="the budget of 4 requests to Spotify a day is used up"):
            tracks(opened(server, tmp_path, client(server, day, **options), search="x"))
    assert len(server.asked) == 4
    now[0] += 86_400.0
    with pytest.raises(QuotaUsed):
        tracks(opened(server, tmp_path, client(server, day, **options), search="x"))
    assert len(server.asked) == 8


# What goes wrong ----------------------------------------------------------------------------------


def test_no_credentials(started, tmp_path, monkeypatch):
    monkeypatch.delenv("SPOTIPY_CLIENT_SECRET")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"SPOTIPY_CLIENT_SECRET must be set.*make an app at"):
        opened(started(), tmp_path, search="x")


def test_wrong_credentials(started, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "a bad secret")
    with pytest.raises(SourceError, match="does not accept your credentials: compare"):
        tracks(opened(started(), tmp_path, search="x"))
    assert "bad secret" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("wish", [{"search": "x"}, {"albums": spotify_id("A", 1)}])
def test_no_premium(started, tmp_path, wish):
    with pytest.raises(SourceError, match="owner has Premium: subscribe"):
        tracks(opened(started(premium=False), tmp_path, **wish))
    assert not (tmp_path / "spotify.json").exists()  # nothing was learned of what is gone


def test_the_quota_is_used_up(started, tmp_path):
    server = started(quota=3)
    web = client(server)
    for _ in range(2):  # the second time it is not even asked
        with pytest.raises(QuotaUsed, match=r"quota|budget") as caught:
            gather(opened(server, tmp_path, web, search="x"), tmp_path / "out")
        until = caught.value.until.timestamp()
        assert until == pytest.approx(time.time() + 48_925, abs=60)
    assert len(server.asked) == 4
    with Catalog(tmp_path / "out" / "catalog.sqlite") as catalog:
        assert catalog.counts()["tracks"] == 20


def test_the_rate_limit_is_waited_for(started, tmp_path):
    server = started(limited=2, pause="0.3")
    begun = time.monotonic()
    assert len(tracks(opened(server, tmp_path, search="x"))) == 60
    assert time.monotonic() - begun >= 0.6


def test_a_long_pause_ends_the_run_instead_of_sleeping(started, tmp_path):
    server = started(limited=10**9, pause="3600")
    with pytest.raises(Wait, match="start again after"):
        tracks(opened(server, tmp_path, search="x"))
    assert len(server.asked) == 1


def test_no_network(started, tmp_path, monkeypatch):
    server = started()
    monkeypatch.setattr(web.random, "uniform", lambda low, high: 0.0)
    source = opened(server, tmp_path, client(server, longest_wait=0.2), search="x")
    server.close()
    with pytest.raises(Unreachable, match="check the network and start again"):
        tracks(source)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"artist": "Nobody At All"}, "knows no artist 'Nobody At All': check how"),
        ({"artist": spotify_id("R", 2)}, "knows nothing of that name: check the link"),
        ({"albums": spotify_id("A", 999)}, "knows nothing of that name: check the link"),
        ({"albums": "what?"}, "does not understand the request"),
        ({"search": "nothing"}, "finds nothing for 'nothing': try other words"),
        ({}, "needs one thing to gather"),
        ({"search": "x", "artist": "y"}, "needs one thing to gather"),
    ],
)
def test_wishes_that_lead_nowhere(started, tmp_path, wish, sentence):
    with pytest.raises(SourceError, match=sentence):
        tracks(opened(started(), tmp_path, **wish))


def test_playlists_without_a_users_login(started, tmp_path, monkeypatch):
    monkeypatch.setattr(web.random, "uniform", lambda low, high: 0.0)
    server = started()
    session = spotify_client._session(client(server))
    app = spotify_client._login(session, server.token_url, user=False)
    with pytest.raises(SourceError, match="does not accept the login"):
        tracks(opened(server, tmp_path, playlists="all", login=app))


def test_an_expired_token_is_renewed(started, tmp_path):
    server = started()
    pages = opened(server, tmp_path, search="x").pages()
    next(pages)
    server.tokens.append("newer")  # the old one is worth nothing now
    assert sum(len(page.tracks) for page in pages) == 50


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_survived(started, tmp_path, fault, monkeypatch):
    server = started(faults=0.25, kinds=(fault,), seed=3)
    monkeypatch.setattr(web.random, "uniform", lambda low, high: 0.01)
    if fault == "slow body":
        monkeypatch.setattr("tests.servers.standin.TRICKLE", 0.05)
    found = tracks(opened(server, tmp_path, artist=spotify_id("R", 1)))
    assert sorted(track.id for track in found) == [track["id"] for track in server.every()]
    assert any(request.fault for request in server.requests)


def test_a_server_that_stays_broken_is_given_up(started, tmp_path, monkeypatch):
    monkeypatch.setattr(web.random, "uniform", lambda low, high: 0.0)
    server = started(faults=1.0, kinds=("500",))
    with pytest.raises(SourceError, match="out of order: start again later"):
        tracks(opened(server, tmp_path, search="x"))


def test_spotipy_would_sleep_and_we_do_not_let_it(started, tmp_path):
    theirs = opened(started(), tmp_path, search="x")._client._spotify
    assert isinstance(theirs, spotipy.Spotify)
    for login in (theirs, theirs.auth_manager):
        for scheme in ("https://", "http://"):
            adapter = login._session.get_adapter(scheme)
            assert isinstance(adapter, spotify_client._Adapter)


def test_the_policy_is_said_once(started, tmp_path, capfd):
    spotify._tell.cache_clear()
    for _ in range(2):
        opened(started(), tmp_path, search="x")
    assert capfd.readouterr().err.count("forbids using its content to train") == 1
    assert "forbids" in spotify.Spotify.licence


def test_memory_that_is_damaged_is_forgotten(started, tmp_path):
    (tmp_path / "spotify.json").write_text("{")
    assert len(tracks(opened(started(), tmp_path, search="x"))) == 60
    assert len(json.loads((tmp_path / "spotify.json").read_text())) == 1
