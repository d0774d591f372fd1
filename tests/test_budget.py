"""The budget against the requests that stand-ins count."""

import pytest

from albumlib.gathering import gather
from albumlib.sources import budget
from albumlib.sources.budget import Shape
from tests.servers.world import Services, World, sources_for, web_for

WORLD = World(albums=120)
SHAPE = Shape(
    per_album=8, per_name=960, editions=1.1, with_code=0.9, known=8 / 9, with_cover=0.9
)  # what WORLD is like


@pytest.mark.parametrize(
    ("wish", "route"),
    [
        ({"label": "The Label"}, "musicbrainz by artist or label"),
        ({"tag": "jazz"}, "musicbrainz by tag or year"),
    ],
)
def test_it_agrees_with_what_is_counted(tmp_path, wish, route):
    services = Services(WORLD)
    source, labels = sources_for(web_for(services.addresses), services.addresses, **wish)
    gather(source, tmp_path, labels=labels, size=250, workers=4)
    counted = {
        "musicbrainz.org": services.musicbrainz,
        "api.reccobeats.com": services.reccobeats,
        "coverartarchive.org": services.coverart,
        "archive.org": services.archive,
        "*.archive.org": services.node,
    }
    foretold = budget.budget(WORLD.tracks, SHAPE)[route]
    services.close()
    assert foretold.keys() == counted.keys()
    for host, server in counted.items():
        assert foretold[host] == pytest.approx(len(server.requests), rel=0.05), host


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
