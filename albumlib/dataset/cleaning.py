"""Catalogue to cover set: rules over the table, rules over the covers, and nothing lost.

Every track and every cover that was gathered ends either in the cover set or in the quarantine,
with all the reasons against it. The set is there whole or not at all, a stage that was killed goes
on where it was, and the same input gives the same bytes.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import PIL

from albumlib import __version__, features
from albumlib.dataset import writing
from albumlib.dataset.catalog import Catalog
from albumlib.dataset.coverset import FOLDER, CoverSet, CoverSetError
from albumlib.dataset.duplicates import groups_of_duplicates
from albumlib.dataset.filters import Filter, FilterError, outside
from albumlib.dataset.quarantine import nothing_left, read_import, released
from albumlib.dataset.rules import check_tracks
from albumlib.dataset.shards import HASHES, Parts, decode_covers
from albumlib.dataset.splits import HELDOUT, sides
from albumlib.dataset.text_detection import find_text
from albumlib.dataset.writing import LAYOUT, READ
from albumlib.runtime.progress import Progress, silent
from albumlib.sources import Imprint


def clean(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    size: int | Sequence[int] = 64,
    heldout: float = HELDOUT,
    where: Sequence[str] = (),
    text: bool | str = False,
    workers: int = 2,
    dask: str = "",
    progress: Progress = silent,
) -> CoverSet:
    """Clean what was gathered in `folder` into a cover set in `out` (`folder`/coverset).

    `size` is the side of the covers in pixels; of several the first is what `CoverSet.open` takes.
    `heldout` is the proportion of covers kept from training; near-duplicates and, but for the
    built-in imprint, covers of one artist are never on two sides. `where` are filters such as
    "popularity=50.." (see `filters`). `text` has text looked for, by the best detector or by the
    one it names (see `text_detection`). `dask` is a scheduler's address, whose workers decode
    instead of `workers` processes here. Raises CoverSetError if nothing was gathered or is left,
    FilterError for a filter that makes no sense.
    """
    folder = Path(folder)
    out = Path(out) if out else folder / FOLDER
    work = out.with_name(out.name + ".tmp")
    sizes = tuple(dict.fromkeys([size] if isinstance(size, int) else size))
    means = {"workers": workers, "dask": dask, "progress": progress}
    filters = _filters(where, bool(text))
    writing.check_place(out)
    found = _sorted_out(folder, out, work, sizes, heldout, filters, text, means)
    writing.write(work / "set", *found, sizes, progress)
    writing.publish(work, out)
    return CoverSet.open(out)


def _sorted_out(
    folder: Path,
    out: Path,
    work: Path,
    sizes: tuple[int, ...],
    heldout: float,
    filters: tuple[list[Filter], list[Filter]],
    text: bool | str,
    means: dict,
) -> tuple[pd.DataFrame, Parts, pd.DataFrame, pd.DataFrame, dict]:
    """The set's table, all decoded covers, the tracks that pass, the quarantine, the manifest."""
    (early, late), (tracks, covers, about) = filters, _gathered(folder)
    rows, bad_rows = read_import(folder)
    let_go = released(folder)
    kept, bad_tracks = check_tracks(tracks, let_go)
    albums, unwanted = select(albums_of(kept), early)
    if albums.empty and len(unwanted):
        raise _filtered_away(folder)
    wanted = covers[covers["reference"].isin(albums["cover"])]
    fetched = wanted[wanted["state"] == "done"]
    parts = decode_covers(folder, fetched, work / "parts", sizes, released=let_go, **means)
    rejects = [_not_fetched(wanted), parts.refused, _unused(covers, kept, albums, unwanted)]
    if parts.found.empty:
        bad_covers = pd.concat(rejects[:2]).assign(what="cover")
        raise nothing_left(folder, out, [bad_rows, bad_tracks, bad_covers])
    found, repeated = drop_duplicates(parts, work / "thumbs.npy", let_go)
    if text:
        found = _searched(folder, found, work / "text", text, means)
    table, unread = select(_labelled(albums, found, heldout, about), late)
    if table.empty:
        raise _filtered_away(folder)
    bad_covers = pd.concat([*rejects, unwanted, unread, repeated]).assign(what="cover")
    bad_tracks = pd.concat([bad_tracks, orphans(kept, table, bad_covers)])
    manifest = about | _settings(sizes, heldout, (*early, *late), let_go)
    manifest["funnel"] = rows | funnel(tracks, kept, bad_tracks, covers, parts, bad_covers, table)
    manifest["tracks rejected"] = _counted(bad_tracks)
    return table, parts, kept, pd.concat([bad_rows, bad_tracks, bad_covers]), manifest


def _filtered_away(folder: Path) -> CoverSetError:
    return CoverSetError(f"not one cover of {folder} passes the filter: widen it")


def _settings(
    sizes: tuple[int, ...], heldout: float, filters: Sequence[Filter], let_go: set[str]
) -> dict:
    """How the set was made, for its manifest."""
    return {
        "version": __version__,
        "pillow": PIL.__version__,
        "size": sizes[0],
        "sizes": list(sizes),
        "heldout": heldout,
        "selection": [str(one) for one in filters],
        "released": sorted(let_go),
    }


def _filters(where: Sequence[str], text: bool) -> tuple[list[Filter], list[Filter]]:
    """Filters on what the catalogue knows, and those that have to wait until text was found."""
    filters = [Filter.parse(text) for text in where]
    late = [one for one in filters if one.column in READ]
    if late and not text:
        raise FilterError(f"to select by {late[0].column}, have text looked for: --text")
    return [one for one in filters if one not in late], late


def select(table: pd.DataFrame, filters: Sequence[Filter]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of albums that pass all filters; the covers of the rest, with those they miss."""
    missed = outside(table, filters)
    unwanted = pd.DataFrame({"id": table["cover"], "reason": "not selected", "reasons": missed})
    return table[missed == ""], unwanted[missed != ""]


def _gathered(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """The catalogue's tracks, its covers, and what it notes of its source."""
    if not (folder / "catalog.sqlite").exists():
        raise CoverSetError(
            f"nothing was gathered in {folder}: run notebook 01, or `python -m albumlib gather`"
        )
    with Catalog(folder / "catalog.sqlite") as catalog:
        about = {key: catalog.noted(key) for key in ("source", "licence")}
        about["source_settings"] = json.loads(catalog.noted("source_settings", "{}"))
        return catalog.tracks(), catalog.covers(), about


# Tracks -----------------------------------------------------------------------------------------


def albums_of(tracks: pd.DataFrame) -> pd.DataFrame:
    """One row an album: names, year, number of tracks, mean of each feature, and one cover.

    Where tracks of an album name several covers, the most frequent counts; where albums share
    one, it stands for the album with the most tracks.
    """
    votes = tracks.groupby(["album_id", "cover"], as_index=False).size()
    votes = votes.sort_values(["size", "cover"], ascending=[False, True])
    cover = votes.drop_duplicates("album_id").set_index("album_id")["cover"]
    first = {name: (name, "first") for name in ("album", "artist", "release_date", "genre")}
    means = {name: (name, "mean") for name in features.NAMES}
    albums = tracks.groupby("album_id", as_index=False).agg(
        **first, n_tracks=("id", "size"), **means
    )
    years = pd.to_numeric(albums["release_date"].str[:4], errors="coerce")
    albums = albums.assign(year=years.astype("Int32"), cover=albums["album_id"].map(cover))
    albums = albums.sort_values(["n_tracks", "album_id"], ascending=[False, True])
    return albums.drop_duplicates("cover").sort_values("album_id", ignore_index=True)


def orphans(kept: pd.DataFrame, table: pd.DataFrame, bad_covers: pd.DataFrame) -> pd.DataFrame:
    """Tracks that are good themselves, but whose album has no cover in the set."""
    lost = kept[~kept["album_id"].isin(table["album_id"])]
    known = bad_covers.drop_duplicates("id").set_index("id").reindex(lost["cover"])
    taken = lost["cover"].isin(table["cover"]).to_numpy()
    reason = known["reason"].mask(taken, "stands for another album")
    why = pd.DataFrame({"reason": reason, "reasons": known["reasons"].fillna(reason)})
    return ("cover: " + why).assign(what="track", id=lost["id"].to_numpy())


# Covers -----------------------------------------------------------------------------------------


def _searched(
    folder: Path, found: pd.DataFrame, work: Path, text: bool | str, means: dict
) -> pd.DataFrame:
    detector = text if isinstance(text, str) else "auto"
    seen = find_text(folder, found, work, detector=detector, **means)
    return found.merge(seen[["reference", *READ]], on="reference", how="left")


def _labelled(
    albums: pd.DataFrame, found: pd.DataFrame, heldout: float, about: dict
) -> pd.DataFrame:
    """Albums that have a cover, in the covers' order, each on its side of the split; with LAYOUT if
    the built-in imprint drew the covers.
    """
    table = albums.merge(found, left_on="cover", right_on="reference").sort_values("row")
    imprint = Imprint.named(about["source"], **about["source_settings"])
    if imprint is not None:
        table[LAYOUT] = table["cover"].map(imprint.layout_of)
    split = sides(table["artist"], table["group"], heldout, by_artist=imprint is None)
    return table.assign(split=split)


def _not_fetched(covers: pd.DataFrame) -> pd.DataFrame:
    covers = covers[covers["state"] != "done"]
    reason = ("not fetched: " + covers["reason"].fillna("")).str.removesuffix(": ")
    return pd.DataFrame({"id": covers["reference"], "reason": reason})


def _unused(
    covers: pd.DataFrame, kept: pd.DataFrame, albums: pd.DataFrame, unwanted: pd.DataFrame
) -> pd.DataFrame:
    """Covers that no album is to have, selected or not."""
    known = pd.concat([albums["cover"], unwanted["id"]])
    unused = covers.loc[~covers["reference"].isin(known), "reference"]
    reason = np.where(unused.isin(kept["cover"]), "its album has another", "no usable track")
    return pd.DataFrame({"id": unused, "reason": reason})


def drop_duplicates(
    parts: Parts, thumbs: Path, released: frozenset[str] = frozenset()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the best cover of each group of duplicates (in colour, large); returns the kept and the
    rest.

    The kept rows know their `row` among the parts and the `group` they stand for: the reference
    of its best cover. Covers that were `released` are kept as well, in their group.
    """
    found = parts.found.assign(row=np.arange(len(parts.found)))
    found["area"] = found["width"] * found["height"]
    found["group"] = groups_of_duplicates(
        found[list(HASHES)].to_numpy(), parts.thumbs(thumbs), found["digest"].to_numpy()
    )
    best = found.sort_values(["greyscale", "area", "reference"], ascending=[True, False, True])
    best = best.drop_duplicates("group").set_index("group")
    kept_one = best.loc[found["group"]].reset_index(drop=True)
    same_pixels = np.where(found["digest"] == kept_one["digest"], "same pixels as ", "nearly ")
    how = np.where(found["sha256"] == kept_one["sha256"], "same file as ", same_pixels)
    found["group"] = kept_one["reference"]
    stays = (found["reference"] == found["group"]) | found["reference"].isin(released)
    repeated = pd.DataFrame(
        {"id": found["reference"], "reason": "duplicate", "reasons": how + found["group"]}
    )
    return found[stays], repeated[~stays]


# What is counted --------------------------------------------------------------------------------


def funnel(
    tracks: pd.DataFrame,
    kept: pd.DataFrame,
    bad_tracks: pd.DataFrame,
    covers: pd.DataFrame,
    parts: Parts,
    bad_covers: pd.DataFrame,
    table: pd.DataFrame,
) -> dict:
    """Counts of every stage, from what was gathered to what is kept."""
    rejected = {"duplicate": 0} | _counted(bad_covers)
    return {
        "tracks gathered": len(tracks),
        "tracks that pass the rules": len(kept),
        "tracks in the set": len(tracks) - len(bad_tracks),
        "covers gathered": len(covers),
        "covers that decode": len(parts.found),
        "covers without duplicates": len(parts.found) - rejected["duplicate"],
        "covers in the set": len(table),
        "rejected": rejected,
    }


def _counted(rejected: pd.DataFrame) -> dict[str, int]:
    return rejected["reason"].value_counts().sort_index().to_dict()
