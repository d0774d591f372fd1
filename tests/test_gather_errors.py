"""What can go wrong for a person who gathers, met through the command line; and their secrets."""

import base64
import logging
from functools import partial

import pytest

from albumlib.sources import coverart, musicbrainz, reccobeats, spotify, web
from albumlib.sources.web import DAY, Limit, Web
from tests.servers import spotify as stand_in
from tests.servers.world import Services, World
from tests.test_cli import fails, run

QUICK = Limit(100_000, 1.0)
SEARCH = ("gather", "--source", "spotify", "--ask", "search:x", "--out", "out")
BROWSE = ("gather", "--source", "musicbrainz", "--out", "out", "--ask")


@pytest.fixture(autouse=True)
def person(tmp_path, monkeypatch):
    """Somebody with credentials in an empty folder, who waits for nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "client")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "secret")
    monkeypatch.setenv("ALBUMLIB_CONTACT", "me@example.org")
    monkeypatch.setattr(web.random, "uniform", lambda low, high: 0.0)
    spotify._tell.cache_clear()


def let_ask(monkeypatch, *hosts):
    """Lets the command line's clients ask these hosts, and no others."""

    def client(_, contact=""):
        limits = dict.fromkeys(hosts, QUICK)
        options = {"memory": ":memory:", "longest_wait": 0.3, "contact": contact}
        return Web(limits, trusted=frozenset(hosts), **options)

    monkeypatch.setattr(web, "Web", client)


@pytest.fixture
def spotify_is(monkeypatch, tmp_path):
    """Sends the command line's Spotify to a stand-in."""
    servers = []

    def start(**options):
        server = stand_in.Spotify(**options)
        servers.append(server)
        where = {"api": server.api, "tokens": server.token_url, "memory": tmp_path / "gone.json"}
        monkeypatch.setattr(spotify, "Spotify", partial(spotify.Spotify, **where))
        let_ask(monkeypatch, server.netloc, server.netloc + DAY)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def services(monkeypatch):
    """Sends the command line's open services to stand-ins."""
    services = Services(World(albums=10))
    at = services.addresses
    archive = partial(coverart.CoverArtArchive, api=at["coverart"], search=at["musicbrainz"])
    monkeypatch.setattr(coverart, "CoverArtArchive", archive)
    source = partial(musicbrainz.MusicBrainz, api=at["musicbrainz"])
    monkeypatch.setattr(musicbrainz, "MusicBrainz", source)
    monkeypatch.setattr(
        reccobeats, "ReccoBeats", partial(reccobeats.ReccoBeats, api=at["reccobeats"])
    )
    let_ask(monkeypatch, *(server.netloc for server in services.all.values()))
    yield services
    services.close()


# Spotify ------------------------------------------------------------------------------------------


def test_no_credentials(monkeypatch):
    monkeypatch.delenv("SPOTIPY_CLIENT_ID")
    monkeypatch.delenv("SPOTIPY_CLIENT_SECRET")
    said = fails(*SEARCH)
    assert "SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET must be set" in said
    assert "make an app at https://developer.spotify.com/dashboard" in said


def test_wrong_credentials(spotify_is, monkeypatch):
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "wrong")
    spotify_is()
    assert "compare SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET with your app's" in fails(*SEARCH)


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        ({"premium": False}, "subscribe with the account that owns the app, or gather from"),
        ({"quota": 3}, "quota for all of its apps is used up: start again after"),
        ({"limited": 99, "pause": "3600"}, "asks for a pause: start again after"),
        ({"faults": 1.0, "kinds": ("500",)}, "out of order: start again later"),
    ],
    ids=["no premium", "quota used up", "long pause", "out of order"],
)
def test_what_spotify_says_no_to(spotify_is, server, sentence):
    spotify_is(**server)
    assert sentence in fails(*SEARCH)


def test_spotify_cannot_be_reached(spotify_is):
    spotify_is().close()
    assert "check the network and start again" in fails(*SEARCH)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        ("artist:Nobody At All", "knows no artist 'Nobody At All': check how the name is written"),
        ("search:nothing", "finds nothing for 'nothing': try other words"),
        ("Nobody", "begin with one of search:, artist:"),
    ],
)
def test_wishes_that_spotify_cannot_meet(spotify_is, ask, sentence):
    spotify_is()
    assert sentence in fails("gather", "--source", "spotify", "--ask", ask, "--out", "out")


def test_features_that_spotify_refuses_cost_nothing_but_a_sentence(spotify_is):
    spotify_is()
    for folder in ("one", "two"):  # the second time it is remembered, and said again
        code, out, errors = run(*SEARCH[:-1], folder)
        assert code == 0 and "60  tracks" in out
        assert errors.count("add --labels reccobeats to have them from there") == 1
        spotify._tell.cache_clear()


# MusicBrainz, Cover Art Archive, ReccoBeats -------------------------------------------------------


def test_nobody_to_write_to(services, monkeypatch):
    monkeypatch.delenv("ALBUMLIB_CONTACT")
    assert "ALBUMLIB_CONTACT must be set" in fails(*BROWSE, "artist:Artist 1")


def test_an_artist_that_musicbrainz_does_not_know(services):
    assert "knows no artist 'Nobody'" in fails(*BROWSE, "artist:Nobody")


@pytest.mark.parametrize("gone", ["musicbrainz", "coverart", "reccobeats"])
def test_a_service_cannot_be_reached_and_what_was_gathered_is_kept(services, gone):
    services.all[gone].close()
    ask = (*BROWSE, "artist:Artist 1", "--labels", "reccobeats")
    assert "cannot be reached: check the network and start again, everything" in fails(*ask)


def test_pauses_are_forgotten_when_asked(monkeypatch, tmp_path):
    forget = partial(web.forget_pauses, tmp_path / "requests.sqlite")
    Web({"a.host": QUICK}, memory=tmp_path / "requests.sqlite").pause("a.host", 9999)
    monkeypatch.setattr(web, "forget_pauses", forget)
    for count in (1, 0):
        code, said, _ = run("gather", "--albums", "2", "--out", "out", "--forget-pauses")
        assert code == 0 and f"pauses forgotten: {count}" in said


# Secrets ------------------------------------------------------------------------------------------


def test_secrets_are_never_written_nor_said(spotify_is, tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("SPOTIPY_CLIENT_ID")
    monkeypatch.delenv("SPOTIPY_CLIENT_SECRET")
    env = "SPOTIPY_CLIENT_ID=id-of-the-app\nSPOTIPY_CLIENT_SECRET=kept-to-oneself\n"
    (tmp_path / ".env").write_text(env)
    login = base64.b64encode(b"id-of-the-app:kept-to-oneself").decode()
    monkeypatch.setattr(stand_in, "SECRET", login)
    server = spotify_is()
    caplog.set_level(logging.DEBUG)
    said = [*run(*SEARCH)[1:], repr(spotify.Spotify(web.Web({}), search="x"))]
    assert server.tokens and (tmp_path / "out" / "catalog.sqlite").exists()
    monkeypatch.setattr(stand_in, "SECRET", "another")
    said += [fails(*SEARCH[:-1], "elsewhere"), caplog.text]
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.name != ".env"]
    everything = b"".join(
        [*(text.encode() for text in said), *(file.read_bytes() for file in files)]
    )
    for secret in ("kept-to-oneself", login, *server.tokens):
        assert secret.encode() not in everything
