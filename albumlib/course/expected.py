"""What a run's numbers should be near, and in which words it is said where they are not.

`data/measured/expected.json` names the course's headline numbers, each with its reference (what
real covers reach) and its control (what labels without meaning reach), and holds for each profile
the range in which its runs have come out. The ranges are those of the built-in imprint.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albumlib.course.state import CHAPTERS
from albumlib.runtime.paths import MEASURED

EXPECTED = MEASURED / "expected.json"
ENDS = ("_expected_low", "_expected_high")  # endings of a range's ends among the results
STEPS = ".steps"  # ending of what says how far a chapter's training came


@dataclass(frozen=True)
class Headline:
    """One of the numbers that the course is about, as a run found it."""

    key: str
    name: str
    value: float
    reference: float | None = None
    control: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def outside(self) -> bool:
        """Whether it lies outside of the range that is known, if one is."""
        return self.low is not None and not self.low <= self.value <= self.high


def headlines(results: Mapping[str, float], profile: str, path: Path = EXPECTED) -> list[Headline]:
    """The headline numbers that are among `results`, in the course's order.

    Ranges are left out for a `profile` of which none are known, such as "".
    """
    known = _read(path)
    ranges = known["ranges"].get(profile, {})
    found = []
    for one in known["headlines"]:
        key = one["key"]
        if key in results:
            low, high = ranges.get(key, (None, None))
            beside = [results.get(one.get(what, "")) for what in ("reference", "control")]
            found.append(Headline(key, one["name"], results[key], *beside, low, high))
    return found


def marks(results: Mapping[str, float], profile: str, path: Path = EXPECTED) -> dict[str, str]:
    """By key, a sentence for each number of `results` outside of what the profile's runs reach.

    >>> found = marks({"05_acgan.label_r2": 0.12, "05_acgan.steps": 51}, "laptop")
    >>> found["05_acgan.steps"]
    'chapter 5: the training was stopped after 51 of 1,500 steps'
    """
    ranges = _read(path)["ranges"].get(profile, {})
    stops = {
        key.removesuffix(STEPS): _stop(results[key], high)
        for key, (low, high) in ranges.items()
        if key.endswith(STEPS) and key in results and not low <= results[key] <= high
    }
    found = {f"{chapter}{STEPS}": f"chapter {_number(chapter)}: {why}"
             for chapter, why in stops.items()}  # fmt: skip
    for one in headlines(results, profile, path):
        if one.outside and not one.key.endswith(STEPS):
            found[one.key] = _sentence(one, stops)
    return dict(sorted(found.items()))


def claims(results: Mapping[str, float], profile: str, chapter: str) -> str:
    """Whether a chapter's headline numbers are as its prose has them, a line for each.

    >>> claims({"05_acgan.label_r2": 0.12, "05_acgan.steps": 51}, "laptop", "05_acgan")
    'label recovery (R²) 0.12, expected 0.52 to 0.71: the training was stopped after 51 of 1,500 steps'
    """  # noqa: E501
    outside = marks(results, profile)
    own = [one for one in headlines(results, profile) if one.key.startswith(chapter + ".")]
    lines = [
        outside.get(one.key) or f"{one.name} {short(one.value)}, as expected"
        for one in own if one.low is not None
    ]  # fmt: skip
    return "\n".join(lines) or "too little is trained here for the claims of this chapter to hold"


def ranges_of(results: Mapping[str, float], profile: str) -> dict:
    """Ends of the ranges, to be kept beside the results: "KEY_expected_low" and "_high"."""
    found = {}
    for one in headlines(results, profile):
        if one.low is not None:
            found |= dict(zip([one.key + end for end in ENDS], (one.low, one.high), strict=True))
    return found


def without_ranges(results: Mapping[str, float]) -> dict[str, float]:
    """What a run measured, without the ranges that `ranges_of` puts beside it.

    >>> without_ranges({"05_acgan.label_r2": 0.8, "05_acgan.label_r2_expected_low": 0.76})
    {'05_acgan.label_r2': 0.8}
    """
    return {name: value for name, value in results.items() if not name.endswith(ENDS)}


def _sentence(one: Headline, stops: Mapping[str, str]) -> str:
    chapter = one.key.partition(".")[0]
    work = CHAPTERS.get(chapter)
    reasons = [stops[name] for name in (chapter, *(work.needs if work else ())) if name in stops]
    wanted = f"{one.name} {short(one.value)}, expected {short(one.low)} to {short(one.high)}"
    return wanted + (f": {reasons[0]}" if reasons else "")


def _stop(done: float, wanted: float) -> str:
    if done < wanted:
        return f"the training was stopped after {done:,.0f} of {wanted:,.0f} steps"
    return f"the training made {done:,.0f} steps, not {wanted:,.0f}"


def _number(chapter: str) -> str:
    number = chapter.partition("_")[0]
    return number.lstrip("0") if number.isdigit() else chapter


def short(value: float | None) -> str:
    """A number as prose has it.

    >>> short(0.834838), short(-1.08), short(65.87), short(7857), short(None)
    ('0.83', '−1.08', '65.9', '7,857', '')
    """
    if value is None:
        return ""
    decimals = 0 if abs(value) >= 1000 or isinstance(value, int) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}".replace("-", "−")


def _read(path: Path) -> dict[str, Any]:
    """The file's headlines and ranges; neither where the package is used without its checkout."""
    if not path.exists():
        return {"headlines": [], "ranges": {}}
    return json.loads(path.read_text(encoding="utf-8"))
