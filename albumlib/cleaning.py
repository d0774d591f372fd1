"""Catalogue to cover set: rules over the table, rules over the covers, and nothing lost.

Every track and every cover that was gathered ends either in the cover set or in the quarantine,
with all the reasons against it. The stage writes beside its target and renames at the end: it is
there whole or not at all, and the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from albumlib import __version__, features
from albumlib.catalog import Catalog
from albumlib.covers import CoverRejected, decode, fingerprint
from albumlib.coverset import CoverSet, CoverSetError
from albumlib.duplicates import groups_of_duplicates

Progress = Callable[[str, int, int], None]
PART = 256  # covers a task
DATE = r"(\d{4}(-\d{2}(-\d{2})?)?)?"

RULES = pa.DataFrameSchema(
    {
        "name": pa.Column(str, pa.Check(lambda s: s.str.strip() != "", error="no name")),
        "album_id": pa.Column(str, pa.Check(lambda s: s != "", error="no album")),
        "cover": pa.Column(str, pa.Check(lambda s: s != "", error="no cover")),
        "release_date": pa.Column(str, pa.Check.str_matches(f"^{DATE}$", error="odd date")),
        **{
            feature.name: pa.Column(
                float,
                pa.Check.in_range(feature.low, feature.high, error=f"{feature.name} out of range"),
                nullable=True,
            )
            for feature in features.FEATURES
        },
    }
)


def clean(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    size: int = 64,
    heldout: float = 0.25,
    workers: int = 2,
    progress: Progress | None = None,
) -> CoverSet:
    """Clean what was gathered in `folder` into a cover set in `out` (`folder`/coverset).

    `heldout` is the share of covers kept from training; an album, and covers that are the same
    picture, are never on both sides. Raises CoverSetError if nothing was gathered or nothing is
    left.
    """
    folder = Path(folder)
    out = Path(out) if out else folder / "coverset"
    if not (folder / "catalog.sqlite").exists():
        raise CoverSetError(
            f"nothing was gathered in {folder}: run notebook 01, or `python -m albumlib gather`"
        )
    with Catalog(folder / "catalog.sqlite") as catalog:
        tracks, covers = catalog.tracks(), catalog.covers()
        about = {key: catalog.noted(key) for key in ("source", "licence")}
    kept, rejected = check_tracks(tracks)
    albums = albums_of(kept)
    wanted = covers[covers["reference"].isin(albums["cover"])]
    pixels, found, refused = decode_covers(folder, wanted, size, workers, progress)
    if not len(found):
        raise CoverSetError(f"not one usable cover is left of {len(covers)} in {folder}")
    found, repeated = drop_duplicates(found, pixels)
    unused = covers[~covers["reference"].isin(albums["cover"])]
    unused = pd.DataFrame({"id": unused["reference"], "reason": "no usable track"})
    table = albums.merge(found, left_on="cover", right_on="reference").sort_values("album_id")
    table["split"] = split_of(table["group"], heldout)
    bad_covers = pd.concat([refused, repeated, unused]).assign(what="cover")
    orphans = _orphans(kept, table, bad_covers)
    quarantine = pd.concat([rejected, orphans, bad_covers])[["what", "id", "reason", "reasons"]]
    manifest = about | {
        "version": __version__,
        "size": size,
        "heldout": heldout,
        "funnel": funnel(tracks, covers, kept, found, refused, repeated, table, orphans),
    }
    _write(out, table, pixels, kept, quarantine, manifest)
    return CoverSet.open(out)


# Tracks -----------------------------------------------------------------------------------------


def check_tracks(tracks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split tracks into those that pass all rules and those that do not, with their reasons.

    A tempo of 0 means that no beat was found, and becomes a missing value. A track that stands
    in the table twice (same album, name and artist) is kept once.
    """
    tracks = tracks.copy()
    tracks[list(features.NAMES)] = tracks[list(features.NAMES)].astype(float)
    tracks.loc[tracks["tempo"] == 0, "tempo"] = np.nan
    reasons = _broken_rules(tracks)
    key = tracks["name"].str.casefold().str.strip()
    twice = tracks.assign(key=key).duplicated(["album_id", "artist", "key"])
    for row in np.flatnonzero(twice):
        reasons.setdefault(row, []).append("track stands twice")
    bad = sorted(reasons)
    rejected = pd.DataFrame(
        {
            "what": "track",
            "id": tracks["id"].iloc[bad].to_numpy(),
            "reason": [reasons[row][0] for row in bad],
            "reasons": ["; ".join(reasons[row]) for row in bad],
        }
    )
    return tracks.drop(tracks.index[bad]), rejected


def _broken_rules(tracks: pd.DataFrame) -> dict[int, list[str]]:
    """For each row that breaks a rule, all that it breaks."""
    tracks = tracks.reset_index(drop=True)
    try:
        RULES.validate(tracks, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.dropna(subset="index")
        return cases.groupby("index")["check"].apply(lambda c: sorted(set(map(str, c)))).to_dict()
    return {}


def albums_of(tracks: pd.DataFrame) -> pd.DataFrame:
    """One row an album and cover: names, year, number of tracks, mean of each feature."""
    grouped = tracks.groupby(["album_id", "cover"], as_index=False)
    first = {name: (name, "first") for name in ("album", "artist", "release_date", "genre")}
    means = {name: (name, "mean") for name in features.NAMES}
    albums = grouped.agg(**first, n_tracks=("id", "size"), **means)
    years = pd.to_numeric(albums["release_date"].str[:4], errors="coerce")
    return albums.assign(year=years.astype("Int32"))


def split_of(groups: pd.Series, heldout: float) -> pd.Series:
    """ "heldout" or "train" by a hash of each group's name: it never changes as a set grows."""

    def draw(group: str) -> float:
        return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64

    return groups.map(lambda group: "heldout" if draw(group) < heldout else "train")


def _orphans(kept: pd.DataFrame, table: pd.DataFrame, bad_covers: pd.DataFrame) -> pd.DataFrame:
    """Tracks that are good themselves, but whose cover is not."""
    lost = kept[~kept["album_id"].isin(table["album_id"])]
    reasons = "cover: " + lost["cover"].map(
        bad_covers.drop_duplicates("id").set_index("id")["reason"]
    ).fillna("not fetched")
    return pd.DataFrame({"what": "track", "id": lost["id"], "reason": reasons, "reasons": reasons})


# Covers -----------------------------------------------------------------------------------------


def decode_covers(
    folder: Path,
    covers: pd.DataFrame,
    size: int,
    workers: int = 2,
    progress: Progress | None = None,
) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame]:
    """Decode fetched covers: pixels (M, S, S, 3), a row for each, and the refused with reasons."""
    failed = covers[covers["state"] != "done"]
    refused = [
        {"id": reference, "reason": f"not fetched: {reason}" if reason else "not fetched"}
        for reference, reason in zip(failed["reference"], failed["reason"], strict=True)
    ]
    done = covers[covers["state"] == "done"]
    files = list(zip(done["reference"], done["file"], done["sha256"], strict=True))
    pixels, found = [], []
    parts = [files[start : start + PART] for start in range(0, len(files), PART)]
    for number, (some, rows, bad) in enumerate(_decoded(folder, parts, size, workers)):
        pixels += some
        found += rows
        refused += bad
        if progress:
            progress("covers decoded", min(PART * (number + 1), len(files)), len(files))
    stacked = np.stack(pixels) if pixels else np.empty((0, size, size, 3), dtype=np.uint8)
    return stacked, pd.DataFrame(found), pd.DataFrame(refused, columns=["id", "reason"])


def _decoded(folder: Path, parts: list, size: int, workers: int) -> Iterator[tuple]:
    task = partial(_decode_part, folder, size)
    if workers < 2 or len(parts) < 2:
        yield from map(task, parts)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(task, parts)


def _decode_part(folder: Path, size: int, part: list) -> tuple[list, list, list]:
    pixels, rows, refused = [], [], []
    for reference, file, digest in part:
        try:
            cover = decode((folder / file).read_bytes(), size)
        except FileNotFoundError:
            refused.append({"id": reference, "reason": "file is gone"})
        except CoverRejected as error:
            refused.append({"id": reference, "reason": str(error)})
        else:
            pixels.append(cover.pixels)
            rows.append(
                {
                    "reference": reference,
                    "sha256": digest,
                    "fingerprint": fingerprint(cover.pixels),
                    "file": file,
                    "width": cover.width,
                    "height": cover.height,
                    "mode": cover.mode,
                    "cropped": cover.cropped,
                    "greyscale": cover.greyscale,
                }
            )
    return pixels, rows, refused


def drop_duplicates(found: pd.DataFrame, pixels: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the largest cover of each group of duplicates; returns the kept and the rest.

    The kept rows know their `row` in `pixels` and the `group` they stand for.
    """
    found = found.assign(row=np.arange(len(found)), area=found["width"] * found["height"])
    prints = found["fingerprint"].to_numpy(dtype=np.uint64)
    found["group"] = groups_of_duplicates(prints, pixels)
    best = found.sort_values(["area", "reference"], ascending=[False, True]).groupby("group")
    keeper = best["reference"].first()
    found["group"] = found["group"].map(keeper)
    repeated = found[found["reference"] != found["group"]]
    reasons = "same picture as " + repeated["group"]
    repeated = pd.DataFrame(
        {"id": repeated["reference"], "reason": "duplicate", "reasons": reasons}
    )
    return found[found["reference"] == found["group"]], repeated


# What is written --------------------------------------------------------------------------------


def funnel(tracks, covers, kept, found, refused, repeated, table, orphans) -> dict:
    """Counts of every stage, from what was gathered to what is kept."""
    return {
        "tracks gathered": len(tracks),
        "tracks that pass the rules": len(kept),
        "tracks in the set": len(kept) - len(orphans),
        "covers gathered": len(covers),
        "covers that decode": len(found) + len(repeated),
        "covers without duplicates": len(found),
        "covers in the set": len(table),
        "rejected": refused["reason"].value_counts().sort_index().to_dict()
        | {"duplicate": len(repeated)},
    }


COLUMNS = (
    "cover", "album_id", "album", "artist", "release_date", "year", "genre", "split", "n_tracks",
    *features.NAMES, "file", "width", "height", "mode", "cropped", "greyscale",
)  # fmt: skip


def _write(
    out: Path,
    table: pd.DataFrame,
    pixels: np.ndarray,
    tracks: pd.DataFrame,
    quarantine: pd.DataFrame,
    manifest: dict,
) -> None:
    temporary = out.with_name(out.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    np.save(temporary / "images.npy", pixels[table["row"].to_numpy()])
    rows = pd.Series(np.arange(len(table)), index=table["album_id"], name="row")
    tracks = tracks[tracks["album_id"].isin(table["album_id"])]
    tracks = tracks.assign(row=tracks["album_id"].map(rows))
    _parquet(table[list(COLUMNS)], temporary / "table.parquet")
    _parquet(tracks, temporary / "tracks.parquet")
    _parquet(quarantine.fillna({"reasons": quarantine["reason"]}), temporary / "quarantine.parquet")
    manifest["sha256"] = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(temporary.iterdir())
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (temporary / "manifest.json").write_text(text, encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    temporary.rename(out)


def _parquet(table: pd.DataFrame, path: Path) -> None:
    table.reset_index(drop=True).to_parquet(path, index=False)
