"""Secrets by name, from the environment or a file `.env`."""

import os
from pathlib import Path

from albumlib.sources.base import SourceError


def credentials(*names: str, where: str = "") -> dict[str, str]:
    """Secrets by name, from the environment or else from the nearest file `.env`.

    `where` says where one gets them. Raises SourceError if one is missing.
    """
    known = {**_dotenv(), **os.environ}
    if missing := [name for name in names if not known.get(name)]:
        raise SourceError(
            f"{' and '.join(missing)} must be set, in the environment or in a file .env with "
            f"lines such as {missing[0]}=..." + (f"; {where}" if where else "")
        )
    return {name: known[name] for name in names}


def _dotenv() -> dict[str, str]:
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / ".env").is_file():
            lines = (folder / ".env").read_text(encoding="utf-8").splitlines()
            pairs = (line.partition("=") for line in lines if not line.lstrip().startswith("#"))
            return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs}
    return {}
