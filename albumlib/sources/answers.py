"""What an answer must be, and the errors of what is none."""

from __future__ import annotations

import contextlib
import email.utils
import io
import json
import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from albumlib.sources.base import Failed, SourceError
from albumlib.sources.pace import LONGEST

if TYPE_CHECKING:
    from requests import Response

BUSY = (429, 503)
BROKEN = (500, 502, 504)


class Wait(SourceError):
    """A host wants to be left alone for longer than we wait; `until` is when to come back."""

    def __init__(self, gate: str, until: float):
        self.gate, self.until = gate, datetime.fromtimestamp(until)
        super().__init__(
            f"{gate} asks for a pause: start again after {self.until:%H:%M:%S on %d %B %Y} "
            "(or with --forget-pauses), everything gathered so far is kept"
        )


class Unreachable(SourceError):
    """A host does not answer at all."""


class NotFound(Failed):
    """There is nothing at this address (404, 410)."""


class Refused(Failed):
    """The server refuses the request: `status` says why."""

    def __init__(self, status: int):
        super().__init__(f"HTTP {status}")
        self.status = status


class Again(Exception):
    """It went wrong this time. `lost`: the host did not even answer; `seconds`: so it asks."""

    def __init__(self, reason: str, *, status: int = 0, seconds: float = 0.0, lost: bool = False):
        super().__init__(reason)
        self.status, self.seconds, self.lost = status, seconds, lost


def right(answer: Response) -> Response:
    """The answer, if it is one. Raises Again, NotFound or Refused."""
    status = answer.status_code
    if status in BUSY or status in BROKEN:
        raise Again(f"HTTP {status}", status=status, seconds=retry_after(answer.headers))
    if status in (404, 410):
        raise NotFound(f"HTTP {status}")
    if status != 200:
        raise Refused(status)
    return answer


def parsed(answer: Response, needs: str = "") -> dict[str, Any]:
    """The JSON object of an answer, with the list `needs` in it. Raises Again."""
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError) as error:
        raise Again("sent broken JSON") from error
    if not isinstance(found, dict) or (needs and not isinstance(found.get(needs), list)):
        raise Again(f"sent JSON without {needs!r}" if needs else "sent broken JSON")
    return found


def picture(answer: Response) -> bytes:
    """The bytes of an answer that Pillow knows for a picture. Raises what `right` raises."""
    from PIL import Image

    data = right(answer).content
    try:
        Image.open(io.BytesIO(data)).close()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        kind = answer.headers.get("Content-Type", "nothing")
        raise Again(f"sent {kind[:80]!a} that is no picture") from error
    return data


def retry_after(headers: Mapping[str, str]) -> float:
    """The seconds of a Retry-After, from 0 (also without one) to LONGEST.

    It may be seconds, milliseconds ("1500ms"), a point in time in seconds or milliseconds since
    1970, or a date.
    """
    text = headers.get("Retry-After", "").strip().lower()
    try:
        seconds = float(text.removesuffix("ms")) / (1000 if text.endswith("ms") else 1)
    except ValueError:
        seconds = 0.0  # also for what is no date
        with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    for unit in (1, 1000):
        if 1e9 <= seconds / unit < 1e10:
            seconds = seconds / unit - time.time()
    return 0.0 if math.isnan(seconds) else min(max(0.0, seconds), LONGEST)
