"""Sources by their names, and what they say when something is missing."""

from functools import partial

import numpy as np
import pytest

from albumlib.sources import web
from albumlib.sources.base import SourceError
from albumlib.sources.choose import NAMES, open_covers, open_labels, open_source


@pytest.mark.parametrize("name", [name for name in NAMES if name != "imprint"])
def test_a_source_says_what_it_needs(name):
    with pytest.raises(SourceError, match=f"the source {name!r} needs"):
        open_source(name)


def test_an_unknown_source_is_told_the_known_ones():
    with pytest.raises(SourceError, match="there are imprint, tables, folder, music"):
        open_source("nowhere")


def test_the_file_of_2021_and_a_folder_of_music(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"no music, but a file")
    assert len(open_source("music", pictures=str(tmp_path))) == 1
    with pytest.raises(SourceError, match="is damaged, or no pickle"):
        np.save(tmp_path / "x.npy", np.zeros(3))
        open_source("legacy", table=str(tmp_path / "x.npy"))


def test_what_spotify_is_asked_for(monkeypatch):
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", "client")
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "secret")
    monkeypatch.setattr(web, "Web", partial(web.Web, memory=":memory:"))
    source = open_source("spotify", ask="artist:Nina Simone")
    assert source.identity == "spotify:artist:Nina Simone"
    with pytest.raises(SourceError, match="begin with one of search:, artist:"):
        open_source("spotify", ask="Nina Simone")


def test_what_musicbrainz_is_asked_for(monkeypatch):
    monkeypatch.setenv("ALBUMLIB_CONTACT", "me@example.org")
    monkeypatch.setattr(web, "Web", partial(web.Web, memory=":memory:"))
    source = open_source("musicbrainz", ask="tag:trip hop")
    assert (source.identity, source.web.contact) == ("musicbrainz:tag=trip hop", "me@example.org")
    assert open_source("musicbrainz", ask="tag:hip, hop, year:1999").wish == {
        "tag": "hip, hop", "year": "1999",
    }  # fmt: skip
    with pytest.raises(SourceError, match="begin with one of artist:, label:, tag:, year:"):
        open_source("musicbrainz", ask="search:trip hop")


def test_a_dump_is_read_where_there_is_one(monkeypatch, tmp_path):
    monkeypatch.setenv("ALBUMLIB_CONTACT", "me@example.org")
    monkeypatch.setattr(web, "Web", partial(web.Web, memory=":memory:"))
    (tmp_path / "release").touch()
    whole = open_source("musicbrainz", table=str(tmp_path / "release"))
    some = open_source("musicbrainz", table=str(tmp_path / "release"), ask="label:ECM")
    assert (whole.identity, some.identity) == (
        "musicbrainz:release:", "musicbrainz:release:label=ECM",
    )  # fmt: skip


def test_the_service_that_is_asked_for_covers(monkeypatch):
    monkeypatch.setenv("ALBUMLIB_CONTACT", "me@example.org")
    monkeypatch.setattr(web, "Web", partial(web.Web, memory=":memory:"))
    assert open_covers("") is None
    assert open_covers("coverart").name == "coverart"
    with pytest.raises(SourceError, match="there is no service 'deezer'"):
        open_covers("deezer")


def test_the_service_that_is_asked_for_features(monkeypatch):
    monkeypatch.setattr(web, "Web", partial(web.Web, memory=":memory:"))
    assert open_labels("") is None
    assert open_labels("reccobeats").name == "reccobeats"
    with pytest.raises(SourceError, match="there is no service 'echonest'"):
        open_labels("echonest")
