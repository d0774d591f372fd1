"""A source by its name: what the command line and notebook 01 offer."""

from __future__ import annotations

from albumlib.sources import Source, SourceError

NAMES = ("synthetic", "tables", "folder")


def open_source(
    name: str = "synthetic",
    *,
    table: str = "",
    pictures: str = "",
    seed: int = 2021,
    albums: int = 8000,
    dirt: float = 0.03,
) -> Source:
    """The source called `name`.

    `table` is the file for "tables"; `pictures` the folder for "folder", and for "tables" a
    folder of covers or "url" (drawn covers if empty). `seed`, `albums` and `dirt` are those of
    "synthetic".
    Raises SourceError for an unknown name or a missing path.
    """
    from albumlib.sources.folder import Folder
    from albumlib.sources.synthetic import RecordLabel
    from albumlib.sources.tables import Table

    if name == "synthetic":
        return RecordLabel(seed=seed, albums=albums, dirt=dirt)
    if name == "tables" and table:
        return Table(table, covers=pictures or "draw")
    if name == "folder" and pictures:
        return Folder(pictures)
    missing = {"tables": "a table", "folder": "a folder of pictures"}
    if name in missing:
        raise SourceError(f"the source {name!r} needs {missing[name]}")
    raise SourceError(f"there is no source {name!r}; there are {', '.join(NAMES)}")
