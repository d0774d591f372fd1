import os
import unicodedata

import numpy as np
import pandas as pd
import pytest

from albumlib import features
from albumlib.dataset.gathering import gather
from albumlib.dataset.images import decode
from albumlib.sources.base import CoverError, SourceError
from albumlib.sources.folder import Folder
from albumlib.sources.tables import Table
from albumlib.sources.web import Limit, Web
from tests.servers.pictures import PictureServer, jpeg

TIDY = {  # TidyTuesday
    "track_id": ["6f8", "0r7"], "track_name": ["Señorita", "Memories"],
    "track_artist": ["Maroon 5", "Maroon 5"], "track_popularity": [66, 67],
    "track_album_id": ["2oC", "2oC"], "track_album_name": ["Jordi", "Jordi"],
    "track_album_release_date": ["2019-06-14", "2019"], "playlist_genre": ["pop", "pop"],
    "danceability": [0.748, 0.726], "energy": [0.916, 0.815], "loudness": [-2.634, -4.969],
    "speechiness": [0.0583, 0.0373], "acousticness": [0.102, 0.0724],
    "instrumentalness": [0, 0.00421], "liveness": [0.0653, 0.357], "valence": [0.518, 0.693],
    "tempo": [122.036, 99.972],
}  # fmt: skip


def columns(**renamed):
    """The table above with other names for its columns."""
    return {renamed.get(name, name): values for name, values in TIDY.items()}


def written(folder, table, name="songs.csv", **options):
    path = folder / name
    frame = pd.DataFrame(table)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, **options)
    return path


VARIANTS = {
    "tidytuesday": (TIDY, {}),
    "latin": (TIDY, {"encoding": "cp1252"}),
    "byte order mark": (TIDY, {"encoding": "utf-8-sig"}),
    "semicolons and decimal commas": (TIDY, {"sep": ";", "decimal": ","}),
    "tabs": (TIDY, {"sep": "\t"}),
    "hugging face": (
        columns(track_artist="artists", track_popularity="popularity",
                track_album_name="album_name")
        | {"artists": ["Maroon 5;Wiz Khalifa"] * 2, "track_genre": ["pop"] * 2},
        {},
    ),
    "1.2 million": (
        columns(track_id="id", track_name="name", track_album_name="album",
                track_album_id="album_id", track_artist="artists",
                track_album_release_date="release_date", track_popularity="popularity")
        | {"artists": ["['Maroon 5', 'Wiz Khalifa']"] * 2},
        {},
    ),
    "percentages and bpm": (
        columns(danceability="danceability_%", valence="valence_%", tempo="bpm")
        | {"danceability_%": [74.8, 72.6], "valence_%": ["51.8", "69.3"]},
        {},
    ),
    "uris": (
        columns(track_id="track_uri") | {"track_uri": ["spotify:track:6f8", "spotify:track:0r7"]},
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_known_shapes_of_tables_are_read_alike(tmp_path, variant):
    table, options = VARIANTS[variant]
    first, second = Table(written(tmp_path, table, **options)).tracks()
    assert (first.id, first.name, first.artist, first.album) == (
        "6f8", "Señorita", "Maroon 5", "Jordi",
    )  # fmt: skip
    assert first.album_id == second.album_id == first.cover
    assert (first.release_date, second.release_date) == ("2019-06-14", "2019")
    assert first.features == pytest.approx(
        {name: TIDY.get(name, TIDY["track_popularity"])[0] for name in features.NAMES}
    )


def test_parquet_is_read_too(tmp_path):
    assert len(Table(written(tmp_path, TIDY, "songs.parquet"))) == 2


def test_without_ids_and_albums_stable_ones_are_made(tmp_path):
    bare = {"title": ["A", "B", "A"], "artist": ["X", "X", "x"], "energy": ["0.5", "", "0.5"]}
    tracks = list(Table(written(tmp_path, bare)).tracks())
    assert [track.name for track in tracks] == ["A", "B"]  # the third is the first again
    assert tracks[0].features == {"energy": 0.5} and tracks[1].features == {}
    assert tracks[0].album == "A" and len({track.album_id for track in tracks}) == 2
    again = list(Table(written(tmp_path, bare)).tracks())
    assert again == tracks


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no table"),
        (b"", "cannot be read"),
        (b"a,b\n1,2\n", "no usable columns.* but it has a, b"),
        (b"name,colour\nx,red\n", "at least one audio feature"),
        (b"\x00\x01\x02\xff" * 50, "usable columns|cannot be read"),
    ],
)
def test_unusable_tables_are_refused_with_one_sentence(tmp_path, content, message):
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        Table(path)


def test_covers_are_drawn_from_the_albums_own_features(tmp_path):
    table = Table(written(tmp_path, TIDY))
    cover = next(table.tracks()).cover
    assert decode(table.cover(cover, 128), 64).pixels.std() > 10
    assert table.cover(cover, 128) == table.cover(cover, 128)
    dark, bright = (
        Table(written(tmp_path, TIDY | {"acousticness": [value, value]}, f"{value}.csv"))
        for value in (0.01, 0.99)
    )
    pixels = [decode(t.cover(cover, 128), 64).pixels.astype(int) for t in (dark, bright)]
    assert np.abs(pixels[0] - pixels[1]).mean() > 15


def test_covers_from_a_folder_by_id_or_name(tmp_path):
    path = written(tmp_path, TIDY)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "jordi.png").write_bytes(b"png")
    table = Table(path, covers=pictures)
    assert table.cover("2oC", 64) == b"png"
    (pictures / "2oC.jpg").write_bytes(b"jpg")
    assert table.cover("2oC", 64) == b"jpg"
    for file in pictures.iterdir():
        file.unlink()
    with pytest.raises(CoverError, match="no file named 2oC or Jordi"):
        table.cover("2oC", 64)


def test_covers_from_addresses_once_an_album(tmp_path):
    server = PictureServer(jpeg())
    trusted = frozenset({server.netloc})
    web = Web({"*": Limit(100, 1.0)}, trusted=trusted, memory=":memory:")
    urls = [server.url("ok/1"), server.url("ok/1"), server.url("missing/2")]
    rows = pd.DataFrame(TIDY).iloc[[0, 1, 0]].assign(cover_url=urls, track_id=["a", "b", "c"])
    counts = gather(Table(written(tmp_path, rows), covers="url", web=web), tmp_path / "out")
    server.close()
    assert (counts["covers done"], counts["covers failed"]) == (1, 1)
    assert server.asked["/ok/1"] == 1
    with pytest.raises(SourceError, match="no column of cover addresses"):
        Table(written(tmp_path, TIDY), covers="url")


def test_the_real_table_accounts_for_all_its_rows(shared_data):
    table = Table(shared_data / "spotify_songs_5k.csv")
    assert table.account.rows == 5130 == len(table) + len(table.account.put_aside)
    assert set(table.account.reasons) == {"stands twice"}
    assert set(table.account.columns) == set(features.NAMES)
    assert table.table["album_id"].nunique() > 1600
    assert table.table["energy"].mean() == pytest.approx(0.73, abs=0.02)
    assert not features.out_of_range(features.to_array(table.table)).any()
    names = [track.name for track in table.tracks()]
    assert "Post Malone (feat. RANI) - GATTÜSO Remix" in names


def test_covers_are_found_by_track_id_whatever_case_suffix_and_form(root, tmp_path):
    by_id = root / "tests" / "cases" / "pictures" / "by_track_id"
    table = Table(root / "tests" / "cases" / "tables" / "good.csv", covers=by_id)
    assert decode(table.cover("alb000", 64), 32).format == "JPEG"
    names = ["2OC.JFIF", unicodedata.normalize("NFD", "Jórdi") + ".webp"]
    for name, album in zip(names, ("x", "Jórdi"), strict=True):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / name).write_bytes(name.encode())
        rows = TIDY | {"track_album_name": [album] * 2}
        table = Table(written(tmp_path, rows), covers=tmp_path / name)
        assert table.cover("2oC", 64) == name.encode()


def test_a_title_that_several_albums_have_names_no_cover(tmp_path):
    rows = TIDY | {"track_album_id": ["a", "b"], "track_artist": ["Ann", "Bob"]}
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "Jordi.jpg").write_bytes(b"whose?")
    (pictures / "bob-jordi.jpg").write_bytes(b"Bob's")
    table = Table(written(tmp_path, rows), covers=pictures)
    assert table.cover("b", 64) == b"Bob's"
    with pytest.raises(CoverError, match="call it Ann - Jordi"):
        table.cover("a", 64)


def test_what_a_folder_passes_over_is_counted_by_kind(tmp_path):
    for name in ("a.jpg", "b.psd", "c.psd", "d.HEIC", "._a.jpg"):
        (tmp_path / name).write_bytes(b"x")
    odd = os.fsencode(tmp_path) + b"/na\xefve.jpg"
    with open(odd, "wb") as file:  # noqa: PTH123, a path of bytes
        file.write(b"x")
    folder = Folder(tmp_path)
    assert [track.id for track in folder.tracks()] == ["a.jpg"]
    assert folder.notes == [
        "4 files of other kinds passed over: .psd 2, no suffix 1, .heic 1",
        r"1 files passed over whose names are not UTF-8, such as na\xefve.jpg",
    ]


def test_a_folder_of_pictures(tmp_path):
    for name in ("b.jpg", "sub/a.PNG", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    folder = Folder(tmp_path)
    assert [track.cover for track in folder.tracks()] == ["b.jpg", "sub/a.PNG"]
    assert [track.id for track in folder.tracks(1)] == ["sub/a.PNG"]
    assert folder.cover("b.jpg", 64) == b"x"
    with pytest.raises(CoverError, match="cannot be read"):
        folder.cover("gone.jpg", 64)
    with pytest.raises(SourceError, match="no folder"):
        Folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no pictures"):
        Folder(tmp_path / "empty")
