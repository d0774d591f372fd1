import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from albumlib import features, figures
from albumlib.dataset.catalog import Catalog
from albumlib.dataset.cleaning import albums_of, clean
from albumlib.dataset.coverset import CoverSet, CoverSetError
from albumlib.dataset.filters import FilterError
from albumlib.dataset.gathering import gather
from albumlib.dataset.quarantine import QuarantineError, release
from albumlib.dataset.rules import check_tracks
from albumlib.sources.folder import Folder
from albumlib.sources.imprint import artwork
from albumlib.sources.imprint.corruption import DUPLICATES, REPAIRABLE, UNUSABLE
from albumlib.sources.imprint.imprint import Imprint

ROOT = Path(__file__).parents[1]
IMPRINT = Imprint(albums=500, corruption=0.25)
REASONS = {
    "wide": "not square",
    "truncated": "truncated or damaged",
    "empty": "empty file",
    "html": "not a picture",
    "one pixel": "too small",
    "oversize": "too many pixels",
}


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gathered")
    gather(IMPRINT, folder, size=96, workers=1)
    return folder


@pytest.fixture(scope="module")
def cleaned(gathered):
    return clean(gathered, size=32, workers=2)


def quarantine(gathered):
    return pd.read_parquet(gathered / "coverset" / "quarantine.parquet")


def test_every_planted_defect_is_found_or_repaired_and_no_clean_cover_lost(gathered, cleaned):
    kept = set(cleaned.table["cover"])
    rejected = quarantine(gathered).query("what == 'cover'").set_index("id")["reason"]
    for index in range(IMPRINT.albums):
        defect, cover = IMPRINT.truth(index).defect, f"album/{index}"
        if defect in UNUSABLE:
            assert rejected[cover] == REASONS[defect]
        elif defect in REPAIRABLE:
            assert cover in kept
        elif defect not in DUPLICATES:
            # A clean cover may only go if it is the smaller of two that are the same picture.
            assert cover in kept or rejected[cover] == "duplicate"
    assert sum(rejected == "duplicate") == len(_repeats())


def _repeats():
    """Duplicates whose original looks as it was drawn: of each such pair one has to go."""
    duplicated = [i for i in range(IMPRINT.albums) if IMPRINT.truth(i).defect in DUPLICATES]
    changed = (*UNUSABLE, "alpha")
    return [i for i in duplicated if IMPRINT.truth(IMPRINT._original_of(i)).defect not in changed]


def test_nothing_is_lost(gathered, cleaned):
    with Catalog(gathered / "catalog.sqlite") as catalog:
        tracks, covers = catalog.tracks(), catalog.covers()
    rejects = quarantine(gathered).groupby("what")["id"].agg(set)
    assert set(cleaned.tracks["id"]) | rejects["track"] == set(tracks["id"])
    assert not set(cleaned.tracks["id"]) & rejects["track"]
    assert set(cleaned.table["cover"]) | rejects["cover"] == set(covers["reference"])
    assert not set(cleaned.table["cover"]) & rejects["cover"]


def test_labels_are_the_means_of_the_albums_tracks(cleaned):
    for row in (0, 17, 100):
        own = cleaned.tracks[cleaned.tracks["row"] == row]
        assert own["album_id"].unique().tolist() == [cleaned.table["album_id"][row]]
        mean = features.to_unit(features.to_array(own).mean(0))
        assert cleaned.labels[row] == pytest.approx(mean, abs=1e-6)


def test_layouts_of_the_imprints_covers_are_known(cleaned):
    layouts = [
        IMPRINT.truth(int(name.removeprefix("album/"))).layout for name in cleaned.table["cover"]
    ]
    assert cleaned.table["layout"].tolist() == layouts
    assert set(layouts) == set(artwork.LAYOUTS)
    assert cleaned.manifest["source_settings"] == {"seed": 2026, "corruption": 0.25}


def test_the_same_input_gives_the_same_bytes(gathered, cleaned, tmp_path):
    again = clean(gathered, tmp_path / "again", size=32, workers=1)
    assert again.manifest == cleaned.manifest
    image_file = tmp_path / "again" / "images.npy"
    digest = hashlib.sha256(image_file.read_bytes()).hexdigest()
    assert digest == cleaned.manifest["sha256"]["images.npy"]


def test_interrupted_it_leaves_the_old_set_alone(gathered, cleaned):
    before = json.dumps(CoverSet.open(gathered / "coverset").manifest)

    def interrupt(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clean(gathered, size=64, progress=interrupt)
    assert json.dumps(CoverSet.open(gathered / "coverset").manifest) == before


def test_the_funnel_only_narrows(cleaned):
    funnel = cleaned.manifest["funnel"]
    tracks = [value for name, value in funnel.items() if name.startswith("tracks")]
    covers = [value for name, value in funnel.items() if name.startswith("covers")]
    assert tracks == sorted(tracks, reverse=True) and covers == sorted(covers, reverse=True)
    lost = funnel["covers gathered"] - funnel["covers without duplicates"]
    assert sum(funnel["rejected"].values()) == lost
    assert covers[-1] == len(cleaned)


def tracks_table(count=6):
    table = pd.DataFrame({name: np.full(count, 0.5) for name in features.NAMES})
    table["loudness"], table["tempo"], table["popularity"] = -9.0, 120.0, 50.0
    texts = {"artist": "A", "album_id": "al", "album": "B", "release_date": "1999-01",
             "genre": "", "cover": "c", "isrc": ""}  # fmt: skip
    ids = [f"t{n}" for n in range(count)]
    return table.assign(id=ids, name=[f"Song {n}" for n in range(count)], **texts)


def test_rejects_come_with_all_their_reasons():
    table = tracks_table()
    table.loc[1, ["energy", "valence"]] = [1.2, -0.1]
    table.loc[2, "name"] = "  "
    table.loc[3, "release_date"] = "last year"
    table.loc[4, "name"] = "SONG 0"
    kept, rejected = check_tracks(table)
    assert kept["id"].tolist() == ["t0", "t5"]
    reasons = rejected.set_index("id")["reasons"]
    assert reasons["t1"] == "energy out of range; valence out of range"
    assert reasons[["t2", "t3", "t4"]].tolist() == ["no name", "odd date", "track stands twice"]


def test_missing_values_are_no_fault_and_a_tempo_of_zero_is_missing():
    table = tracks_table()
    table.loc[0, "energy"] = np.nan
    table.loc[1, "tempo"] = 0
    kept, rejected = check_tracks(table)
    assert rejected.empty and np.isnan(kept["tempo"][1])
    album = albums_of(kept).iloc[0]
    assert album["energy"] == 0.5 and album["n_tracks"] == 6 and album["year"] == 1999


def test_a_folder_of_pictures_is_cleaned_without_labels(tmp_path):
    pictures = tmp_path / "pictures" / "deep"
    pictures.mkdir(parents=True)
    for index in range(40):
        (pictures / f"{index:02}.jpg").write_bytes(IMPRINT.cover(f"album/{index}", 96))
    gather(Folder(tmp_path / "pictures"), tmp_path / "work")
    covers = clean(tmp_path / "work", size=32)
    assert not covers.has_labels
    assert 20 < len(covers) <= 40


def test_nothing_gathered_and_nothing_left_are_said_plainly(tmp_path):
    with pytest.raises(CoverSetError, match="run notebook 01"):
        clean(tmp_path)
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "bad.jpg").write_bytes(b"no picture")
    gather(Folder(tmp_path / "p"), tmp_path / "work")
    with pytest.raises(CoverSetError, match="not one usable cover"):
        clean(tmp_path / "work")


def test_real_covers_end_to_end(shared_data, tmp_path):
    """3,000 real covers: all decode, and the duplicates among them are found."""
    gather(Folder(shared_data / "covers"), tmp_path / "work")
    covers = clean(tmp_path / "work", size=32)
    funnel = covers.manifest["funnel"]
    assert funnel["covers that decode"] == 3000
    assert 170 <= funnel["rejected"]["duplicate"] <= 220


def test_several_sizes_come_from_one_pass(gathered, tmp_path):
    both = clean(gathered, tmp_path / "both", size=(32, 16), workers=1)
    small = CoverSet.open(tmp_path / "both", size=16)
    assert (both.size, small.size, len(small)) == (32, 16, len(both))
    means = np.abs(both.images.mean((1, 2)) - small.images.mean((1, 2)))
    assert means.max() < 3
    with pytest.raises(CoverSetError, match=r"no images_64.npy, only covers of 32, 16 pixels"):
        CoverSet.open(tmp_path / "both", size=64)


def test_a_window_selects_albums_and_is_noted(gathered, cleaned, tmp_path):
    chosen = clean(
        gathered, tmp_path / "w", size=32, workers=1, where=["year=1990..", "genre=rock,folk"]
    )
    assert chosen.manifest["selection"] == ["year=1990..", "genre=rock,folk"]
    table = cleaned.table
    inside = (table["year"] >= 1990) & table["genre"].isin(["rock", "folk"])
    assert set(table["cover"][inside]) <= set(chosen.table["cover"])
    assert (chosen.table["year"] >= 1990).all()
    rejects = pd.read_parquet(tmp_path / "w" / "quarantine.parquet").set_index("id")
    missed = set(table["cover"][~inside]) & set(rejects.index)
    assert (rejects.loc[sorted(missed), "reason"] == "not selected").all() and missed
    with pytest.raises(CoverSetError, match="passes the filter: widen it"):
        clean(gathered, tmp_path / "none", where=["popularity=101.."])
    with pytest.raises(FilterError, match="--text"):
        clean(gathered, where=["text=no"])


def test_what_is_released_comes_back_and_stays_on_its_side(gathered, cleaned, tmp_path):
    rejects = quarantine(gathered).query("what == 'cover'")
    ids = {r: rejects[rejects["reason"] == r]["id"].iloc[0] for r in ("duplicate", "not square")}
    try:
        assert release(gathered, gathered / "coverset", ids.values()) == 2
        again = clean(gathered, tmp_path / "again", size=32, workers=1)
        assert set(ids.values()) <= set(again.table["cover"])
        assert again.manifest["released"] == sorted(ids.values())
        assert (again.table.groupby("group")["split"].nunique() == 1).all()
    finally:
        (gathered / "released.txt").unlink()
    with pytest.raises(QuarantineError, match="is not in the quarantine"):
        release(gathered, gathered / "coverset", ["nobody"])
    empty = rejects[rejects["reason"] == "empty file"]["id"].iloc[0]
    with pytest.raises(QuarantineError, match="cannot be released: empty file"):
        release(gathered, gathered / "coverset", [empty])


def test_duplicates_are_shown_beside_what_stayed_for_them(gathered, cleaned):
    figure = figures.duplicates(gathered, gathered / "coverset", most=5)
    captions = [text.get_text() for text in figure.axes[0].texts]
    assert set(captions[::2]) <= {"kept, nearly", "kept, same file"}
    assert set(captions[1::2]) <= set(quarantine(gathered)["id"])
    pictures = [image.get_array() for image in figure.axes[0].images]
    small = [np.asarray(Image.fromarray(p).resize((16, 16))).astype(int) for p in pictures]
    gaps = [np.abs(a - b).mean() for a, b in zip(small[::2], small[1::2], strict=True)]
    assert len(gaps) == 5 and max(gaps) < 10


def test_a_released_track_loses_what_is_wrong_with_it():
    table = tracks_table()
    table.loc[1, "energy"] = 1.2
    table.loc[2, "cover"] = ""
    kept, rejected = check_tracks(table, frozenset({"t1", "t2"}))
    assert rejected["id"].tolist() == ["t2"]
    assert kept.loc[1, features.NAMES].isna().sum() == 1 and np.isnan(kept.loc[1, "energy"])


KILLED = """
import os, signal, sys
from albumlib.dataset.cleaning import clean
count, last = 0, int(sys.argv[3])
def hear(event, args):
    global count
    touches = event == "open" or event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir")
    if touches and sys.argv[2] in str(args):
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hear)
clean(sys.argv[1], sys.argv[2], size=32, text="strokes", workers=1)
print(count)
"""


def test_killed_at_any_touch_of_the_disk_it_ends_with_the_same_bytes(tmp_path):
    """The stage is killed in front of one file operation after the other, always going on."""
    gather(Imprint(albums=40, corruption=0.2), tmp_path / "g", size=48, workers=1)
    clean(tmp_path / "g", tmp_path / "whole", size=32, text="strokes", workers=1)

    def run(last):
        arguments = [str(tmp_path / "g"), str(tmp_path / "killed"), str(last)]
        command = [sys.executable, "-c", KILLED, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    for last in (2, 5, 9, 12, 16, 21):
        assert run(last).returncode in (-signal.SIGKILL, 0)
    assert run(0).returncode == 0
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "killed" / path.name).read_bytes()
    assert not (tmp_path / "killed.tmp").exists()
