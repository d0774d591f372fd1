import pytest

from albumlib.sources import CoverError, web
from tests.servers.pictures import PictureServer

PICTURE = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def server():
    server = PictureServer(PICTURE)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(web.time, "sleep", lambda seconds: None)


def get(server, path):
    return web.fetch(server.url(path), trusted=frozenset({server.netloc}))


@pytest.mark.parametrize("path", ["ok/a", "redirect/a", "busy/a", "broken/a", "cut/a"])
def test_pictures_arrive_whole_in_spite_of_passing_faults(server, path):
    assert get(server, path) == PICTURE


@pytest.mark.parametrize(
    ("path", "reason", "requests"),
    [
        ("missing/a", "HTTP 404", 1),
        ("loop", "too many redirects", 6),
        ("away/a", "10.0.0.1 is a private address", 1),
        ("endless/a", "more than 8 MB", 1),
        ("patient/a", "HTTP 429", 1),
    ],
)
def test_what_cannot_be_had_is_given_up_with_a_reason(server, path, reason, requests):
    with pytest.raises(CoverError, match=reason):
        get(server, path)
    assert server.asked["/" + path] == requests


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.org/x.jpg", "only https"),
        ("file:///etc/passwd", "only https"),
        ("https://127.0.0.1/x.jpg", "private address"),
        ("https://localhost/x.jpg", "private address"),
        ("https://[::1]/x.jpg", "private address"),
        ("https://169.254.169.254/latest", "private address"),
    ],
)
def test_addresses_that_are_none_of_ours_are_refused(url, reason):
    with pytest.raises(CoverError, match=reason):
        web.fetch(url)
