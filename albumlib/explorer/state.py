"""What the explorer knows without any widget: models that are open, and what was shown before."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from pathlib import Path

from albumlib import AlbumlibError
from albumlib.models.checkpoint import load_generator
from albumlib.models.networks import Generator
from albumlib.sampling.request import Request, fingerprint

TOGETHER = 1.0  # seconds within which changes count as one, such as the drag of a slider


class Models:
    """Checkpoints by name, each opened once, when it is first chosen."""

    def __init__(self, files: Mapping[str, str | Path]):
        self.files = dict(files)
        self._open: dict[str, Generator] = {}

    def open(self, name: str) -> Generator:
        """The generator of that name. Raises TrainingError if it cannot be opened."""
        if name not in self._open:
            self._open[name] = load_generator(self.files[name])
        return self._open[name]

    def name_of(self, mark: str) -> str | None:
        """The name of the model with this fingerprint, None if there is none."""
        for name in self.files:
            try:
                if fingerprint(self.open(name)) == mark:
                    return name
            except (AlbumlibError, OSError):
                continue  # what cannot be opened is none of those sought
        return None


class History:
    """Requests that were shown, to go back and forth among."""

    def __init__(self) -> None:
        self.shown: list[Request] = []
        self.place, self._last = -1, float("-inf")

    def add(self, request: Request, now: float | None = None) -> None:
        """Put a request behind the present one; what was undone is forgotten.

        Changes that come within TOGETHER seconds replace each other. `now` is in seconds.
        """
        now = time.monotonic() if now is None else now
        if self.shown and request == self.shown[self.place]:
            return
        first_stays = self.place > 0 and now - self._last < TOGETHER
        del self.shown[self.place + (not first_stays) :]
        self.shown.append(request)
        self.place, self._last = len(self.shown) - 1, now

    def go(self, by: int) -> Request | None:
        """The request so many places later (negative: earlier), None where none is."""
        if not 0 <= self.place + by < len(self.shown):
            return None
        self.place, self._last = self.place + by, float("-inf")
        return self.shown[self.place]


def unused(path: Path) -> Path:
    """The path, or the first of cover-2.png, cover-3.png, ... that is no file yet."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([path], names) if not one.exists())
