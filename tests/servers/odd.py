"""JSON that is almost right: an answer of a stand-in with one of its parts replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates among them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


CHANGES = st.tuples(st.integers(0, 9999), JSON)  # which place, and what stands there instead


def odd(value: Any, change: tuple[int, Any], below: tuple = ()) -> Any:
    """A copy of a JSON value with a part of what stands at `below` replaced."""
    value = json.loads(json.dumps(value))  # without objects that stand in two places
    inner = value
    for name in below:
        inner = inner[name]
    every = list(_places(inner, *below))
    return _replaced(value, every[change[0] % len(every)], change[1])


def _places(value: object, *above: str | int) -> Iterator[tuple]:
    """Where something stands in a JSON value, from the outside in."""
    yield above
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[name], *above, name)


def _replaced(value: Any, place: tuple, part: object) -> Any:
    if not place:
        return part
    inner = value
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = part
    return value
