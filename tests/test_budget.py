"""The budget against the requests that stand-ins count."""

import json
from dataclasses import replace

import pytest

from albumlib.dataset.gathering import gather
from albumlib.sources import budget
from albumlib.sources.budget import Shape
from albumlib.sources.musicbrainz import Dump
from tests.servers import spotify as stand_in
from tests.servers.world import Services, World, sources_for, web_for
from tests.test_spotify import credentials, opened  # noqa: F401

WORLD = World(albums=120)
SHAPE = Shape(
    per_album=8, per_name=960, editions=1.1, with_code=0.9, known=8 / 9, with_cover=0.9
)  # what WORLD is like


@pytest.fixture
def services():
    services = Services(WORLD)
    yield services
    services.close()


def check(foretold, counted):
    assert foretold.keys() == counted.keys()
    for host, requests in counted.items():
        assert foretold[host] == pytest.approx(requests, rel=0.05), host


def open_hosts(services) -> dict[str, int]:
    """What was asked of each, by the names that the budget has for them."""
    servers = {
        "musicbrainz.org": services.musicbrainz,
        "api.reccobeats.com": services.reccobeats,
        "coverartarchive.org": services.coverart,
        "archive.org": services.archive,
        "*.archive.org": services.node,
    }
    return {host: len(server.requests) for host, server in servers.items() if server.requests}


@pytest.mark.parametrize(
    ("wish", "route"),
    [
        ({"label": "The Label"}, "musicbrainz by artist or label"),
        ({"tag": "jazz"}, "musicbrainz by tag or year"),
    ],
)
def test_musicbrainz(services, tmp_path, wish, route):
    source, labels = sources_for(web_for(services.addresses), services.addresses, **wish)
    gather(source, tmp_path, labels=labels, size=250, workers=4)
    check(budget.budget(WORLD.tracks, SHAPE)[route], open_hosts(services))


def test_a_dump(services, tmp_path):
    """It names the albums that have no cover, and they are left out."""
    releases = [r for album in range(WORLD.albums) for r in WORLD.releases_of(album)]
    (tmp_path / "release").write_text("\n".join(map(json.dumps, releases)))
    source, labels = sources_for(web_for(services.addresses), services.addresses, label="x")
    dump = Dump(tmp_path / "release", source.covers)
    counts = gather(dump, tmp_path / "out", labels=labels, size=250, workers=4)
    foretold = budget.budget(counts["tracks"], replace(SHAPE, with_cover=1))
    check(foretold["musicbrainz dump"], open_hosts(services))


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("wish", ["artist", "search"])
def test_spotify(services, tmp_path, wish):
    """Features come from ReccoBeats, by id: of ten tracks it knows eight."""
    server = stand_in.Spotify(WORLD.albums, WORLD.length)
    labels = sources_for(web_for(services.addresses), services.addresses, label="x")[1]
    source = opened(server, tmp_path, **{wish: "the standins"})
    gather(source, tmp_path / "out", labels=labels, workers=4)
    server.close()
    pictures = [request for request in server.requests if request.path.startswith("/i/")]
    counted = {"api.spotify.com": len(server.asked), "i.scdn.co": len(pictures)}
    foretold = budget.budget(WORLD.tracks, replace(SHAPE, known=0.8))
    check(foretold[f"spotify by {wish}"], counted | open_hosts(services))


def test_time_follows_the_slowest_limit_of_each_stage():
    pace = 1 + budget.LATENCY  # one request a second, as the server counts
    assert budget.hours({"musicbrainz.org": 3600}) == pytest.approx(pace)
    both = {"musicbrainz.org": 3600, "coverartarchive.org": 36_000, "archive.org": 1}
    assert budget.hours(both) == pytest.approx(2 * pace)
    assert budget.hours({"api.spotify.com": 2000}) == pytest.approx(48, rel=0.01)


def test_a_million_tracks_side_by_side():
    table = budget.overview()
    assert table.loc["musicbrainz dump", "musicbrainz.org"] == 0
    assert table.loc["spotify by search", "days"] > 90
    assert table["days"].idxmin() == "musicbrainz dump"
