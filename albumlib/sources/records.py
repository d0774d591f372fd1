"""What services send, looked at with care: one odd record costs that record alone.

What is null counts as left out, and what is left out as empty. What is of another kind than it
should be, or is text that no file can hold (a lone surrogate), makes the record odd.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from albumlib import features

BIGGEST = 1e9  # of a number that describes a track
Made = TypeVar("Made")


class Odd(Exception):
    """A record is not what it should be; the message is the reason."""


def each(
    make: Callable[[Any], Made], found: Iterable[object], put_aside: Counter[str]
) -> Iterator[Made]:
    """make(record) for each; where that raises Odd, the reason is counted instead."""
    for one in found:
        try:
            made = make(one)
        except Odd as error:
            put_aside[str(error)] += 1
        else:
            yield made


def part(found: object, *names: str, kind: type = dict) -> Any:
    """What stands under these names, one within the other. Raises Odd if it is of another kind."""
    for name in names:
        if not isinstance(found, dict):
            raise Odd(f"no object around {name!r}")
        found = found.get(name)
        if found is None:
            return kind()
    if not isinstance(found, kind):
        raise Odd(f"{'.'.join(names) or 'a record'} is no {kind.__name__}")
    return found


def text(found: object, *names: str) -> str:
    """A text, "" if there is none. Raises Odd."""
    value = part(found, *names, kind=str)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Odd(f"{'.'.join(names)} is no Unicode text") from error
    return value


def identity(found: object, *names: str) -> str:
    """A text that must be there. Raises Odd."""
    if value := text(found, *names):
        return value
    raise Odd(f"no {'.'.join(names)}")


def number(value: object) -> float | None:
    """A finite number of some sense, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < BIGGEST:
        return None
    return float(value) if math.isfinite(value) else None


def known_features(found: dict) -> dict[str, float]:
    """The features among what a service says, by name; what is no number is missing."""
    numbers = ((name, number(found.get(name))) for name in features.NAMES)
    return {name: value for name, value in numbers if value is not None}
