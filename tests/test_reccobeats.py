"""ReccoBeats' labels, against a stand-in that shuffles, leaves out and doubles records."""

import numpy as np
import pytest

from albumlib import features
from albumlib.dataset.catalog import Catalog
from albumlib.dataset.gathering import gather
from albumlib.sources.base import SourceError, Track
from tests.servers.standin import Reply, StandIn
from tests.servers.world import Services, World, sources_for, web_for

WORLD = World(albums=30)


@pytest.fixture
def services():
    services = Services(WORLD)
    yield services
    services.close()


@pytest.fixture
def labels(services):
    return sources_for(web_for(services.addresses), services.addresses, label="The Label")[1]


def table_of(folder):
    with Catalog(folder / "catalog.sqlite") as catalog:
        return catalog.tracks().set_index("id"), catalog.counts()


def test_records_are_matched_by_identity_and_the_popular_twin_wins(labels):
    keys = [WORLD.isrc(n) for n in (1, 2, 5, 15, 7)] + [f"{12:022d}"]
    found = labels.find(keys)
    assert WORLD.isrc(7) not in found  # unknown
    for key, number in zip(keys, (1, 2, 5, 15, 7, 12), strict=True):
        if key in found:
            assert found[key][1] == {"popularity": WORLD.popularity(number)}
    measured = labels.measure([record for record, _ in found.values()])
    assert measured[found[WORLD.isrc(5)][0]] == WORLD.features(5)
    assert measured[found[f"{12:022d}"][0]] == WORLD.features(12)


def test_one_bad_key_does_not_spoil_the_others(services, labels, monkeypatch):
    assert labels.find(["nonsense", "", WORLD.isrc(1)]).keys() == {WORLD.isrc(1)}
    monkeypatch.setattr(type(labels), "name", "reccobeats")
    found = labels.measure([labels.find([WORLD.isrc(1)])[WORLD.isrc(1)][0], "a b", "c d"])
    assert len(found) == 1


def test_all_ten_labels_reach_the_catalogue_and_the_rest_stays_missing(services, tmp_path):
    source, labels = sources_for(web_for(services.addresses), services.addresses, label="The Label")
    counts = gather(source, tmp_path, labels=labels, size=250, workers=4)
    table, _ = table_of(tmp_path)
    for number in range(WORLD.tracks):
        found = table.loc[WORLD.track_id(number), list(features.NAMES)].to_numpy(float)
        np.testing.assert_array_equal(found, WORLD.labels(number))
    known = sum(map(WORLD.is_known, range(WORLD.tracks)))
    assert counts["labels done"] == known
    assert counts["labels unknown"] == sum(
        bool(WORLD.isrc(n)) and not WORLD.is_known(n) for n in range(WORLD.tracks)
    )
    before = len(services.reccobeats.requests)
    assert before == -(-(known + counts["labels unknown"]) // 40) + -(-known // 40)
    gather(source, tmp_path, labels=labels, size=250, workers=4)
    assert len(services.reccobeats.requests) == before  # the unknown are not asked for again


class Mixtape:
    """A source of Spotify ids and one feature."""

    name, licence = "mixtape", "for tests"

    def tracks(self, start=0):
        for n in range(start, 6):
            cover = f"c{n}"
            yield Track(f"{n:022d}", f"S{n}", "Artist 1", f"a{n}", f"Album {n}", cover=cover,
                        features={"energy": 0.123})  # fmt: skip

    def cover(self, reference, size):
        raise AssertionError("covers come from elsewhere")


def test_three_sources_are_combined(services, tmp_path):
    """Tracks from one, features from another, covers from a third."""
    source, labels = sources_for(web_for(services.addresses), services.addresses, label="The Label")
    gather(Mixtape(), tmp_path, labels=labels, covers=source.covers, size=250)
    table, counts = table_of(tmp_path)
    assert counts["covers done"] == 6
    values = table[list(features.NAMES)]
    assert (values["energy"] == 0.123).all()  # what the source knows is not overwritten
    assert values.loc[f"{2:022d}", "valence"] == WORLD.features(2)["valence"]
    assert values.loc[f"{3:022d}"].isna().sum() == 9
    with pytest.raises(SourceError, match="'mixtape with coverart', not 'mixtape'"):
        gather(Mixtape(), tmp_path, labels=labels)


def test_renewing_tracks_keeps_their_labels(tmp_path):
    with Catalog(tmp_path / "catalog.sqlite") as catalog:
        track = Track("t", "n", "a", "al", "b", isrc="QZABC0000001")
        catalog.add_tracks([track])
        assert catalog.next_labels("todo", 9) == [("QZABC0000001", None)]
        catalog.add_labels([("QZABC0000001", "done", "r", {"energy": 0.5})])
        catalog.add_tracks([track, Track("u", "n", "a", "al", "b", isrc="QZABC0000001")])
        assert catalog.next_labels("todo", 9) == []
        assert catalog.tracks()["energy"].tolist() == [0.5, 0.5]


def test_an_answer_of_another_shape_is_not_taken_for_unknown():
    server = StandIn(lambda path, query, agent: Reply({"error": "overloaded"}))
    addresses = {"reccobeats": server.url, "musicbrainz": "", "coverart": ""}
    web = web_for(addresses, sleep=lambda seconds: None)
    labels = sources_for(web, addresses, label="x")[1]
    with pytest.raises(SourceError, match="without 'content'"):
        labels.find(["QZABC0000001"])
    server.close()
