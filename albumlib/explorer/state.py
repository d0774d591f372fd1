"""What the explorer knows without any widget: open models, what was shown before, and stars."""

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from albumlib import AlbumlibError
from albumlib.models.checkpoint import load_generator
from albumlib.models.networks import Generator
from albumlib.runtime.files import write_text
from albumlib.sampling.request import Request, RequestError, fingerprint, from_recipe

TOGETHER = 1.0  # seconds within which changes count as one, such as the drag of a slider
LONGEST = 60  # covers that are remembered
LOST = (AlbumlibError, OSError, RuntimeError)  # what a person may meet: RuntimeError is torch's


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


@dataclass(frozen=True)
class Shown:
    """A request, and a small picture of its covers as a PNG file."""

    request: Request
    picture: bytes = b""


class History:
    """What was shown, to go back and forth among; `place` is that of the present one."""

    def __init__(self) -> None:
        self.covers: list[Shown] = []
        self.place, self._last = -1, float("-inf")

    def add(self, shown: Shown, now: float | None = None) -> None:
        """Put a cover behind the present one, in place of what was undone; keeps the last LONGEST.

        Changes that come within TOGETHER seconds replace each other. `now` is in seconds.
        """
        now = time.monotonic() if now is None else now
        if self.covers and shown.request == self.covers[self.place].request:
            return
        first_stays = self.place > 0 and now - self._last < TOGETHER
        del self.covers[self.place + (not first_stays) :]
        self.covers = [*self.covers, shown][-LONGEST:]
        self.place, self._last = len(self.covers) - 1, now

    def go(self, place: int) -> Request | None:
        """The request at a place, None where none is."""
        if not 0 <= place < len(self.covers):
            return None
        self.place, self._last = place, float("-inf")
        return self.covers[place].request


class Stars:
    """Requests that were starred, of one model by its fingerprint. They are kept in a file, as JSON
    lists by fingerprint. Raises RequestError for a file that holds anything else."""

    def __init__(self, file: Path, model: str):
        self.file, self.model = file, model
        self.requests = self._read().get(model, [])

    def toggle(self, request: Request) -> None:
        """Star a request, or take its star away."""
        kept = self._read()  # again: another page may have starred something meanwhile
        before = kept.get(self.model, [])
        others = [one for one in before if one != request]
        self.requests = others if len(others) < len(before) else [*before, request]
        self._write(kept | {self.model: self.requests})

    def _read(self) -> dict[str, list[Request]]:
        try:
            kept = json.loads(self.file.read_text(encoding="utf-8"))
            return {name: [from_recipe(one) for one in of] for name, of in kept.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError, RequestError) as error:
            raise RequestError(f"{self.file} does not hold stars: remove it") from error

    def _write(self, kept: Mapping[str, list[Request]]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        packed = {name: [asdict(one) for one in of] for name, of in kept.items()}
        write_text(self.file, json.dumps(packed))


def unused(path: Path) -> Path:
    """The path, or the first of cover-2.png, cover-3.png, ... that is no file yet."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([path], names) if not one.exists())
