"""Every number of the README's results, of data/measured/README.md and of the models' card is one
that a command measured.

Behind a number stands, as a comment that readers do not see, where it was recorded:
`<!-- KEY -->` in data/measured/laptop.json, the results.json of `make course ONLY=`,
`<!-- FILE: KEY -->` in data/measured/FILE.json, or `<!-- FILE: BUILD: COLUMN -->`, the mean over
the seeds of a build in data/measured/FILE.jsonl; with a ± the standard deviation as well.
`BUILD - BASE` is their difference seed by seed, `COLUMN low` and `COLUMN high` the bounds of its
95 % interval.
"""

import json
import re

import numpy as np
import pandas as pd
import pytest

from albumlib.course.sweep import read_sweep, runs_of
from albumlib.studies.records import differences

QUOTED = re.compile(r"([−\d][\d.,]*)( ± ([\d.]+))?( %)? ?<!-- (.+?) -->")
RESULTS = ("## Does it work?", "## How it is built")
ROW = re.compile(r"^\| .* \|$", re.M)


@pytest.fixture(scope="module")
def section(root) -> str:
    text = (root / "README.md").read_text(encoding="utf-8")
    start, end = (text.index(heading) for heading in RESULTS)
    return text[start:end] + (root / "data" / "measured" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def card(root) -> str:
    return (root / "data" / "pretrained" / "generators.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def recorded(root):
    """A function from what stands in a comment to the values that were recorded."""
    measured = root / "data" / "measured"
    results = json.loads((measured / "laptop.json").read_text(encoding="utf-8"))

    def values(words: str) -> list[float]:
        if words in results:
            return [results[words]]
        file, build, *column = (part.strip() for part in words.split(":"))
        if not column:  # one flat file of numbers, and a key of it
            return [json.loads((measured / f"{file}.json").read_text(encoding="utf-8"))[build]]
        lines = (measured / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
        return column_of(pd.DataFrame(map(json.loads, lines)), build, *column[0].split())

    return values


def column_of(runs: pd.DataFrame, build: str, column: str, bound: str = "mean") -> list[float]:
    """A build's values of a column over seeds, or what is known of its difference from another."""
    if " - " not in build:
        return runs.loc[runs["build"] == build, column].tolist()
    build, base = build.split(" - ")
    return [getattr(differences(runs, {build: base}, [column]).loc[build, column], bound)]


def shown(value: float, like: str) -> str:
    """A value as the README would print it: with as many decimals."""
    decimals = len(like.partition(".")[2])
    return f"{value:.{decimals}f}".replace("-", "−")


def test_quoted_numbers_are_the_recorded_ones(section, card, recorded):
    found = QUOTED.findall(section + card)
    assert len(found) >= 50
    for number, _, spread, percent, words in found:
        values = recorded(words)
        assert values, words
        factor = 100 if percent else 1
        assert number == shown(factor * np.mean(values), number), words
        if spread:
            assert spread == shown(factor * np.std(values, ddof=1), spread), words


def test_no_number_of_the_tables_comes_from_nowhere(section):
    for row in ROW.findall(section):
        for cell in row.strip("| ").split(" | ")[1:]:
            bare = QUOTED.sub("", re.sub(r"`[^`]*`", "", cell))
            assert not re.search(r"\d+\.\d+|\d %", bare), row


def test_the_sweep_of_the_guide_can_be_read(root, tmp_path):
    text = (root / "notebooks" / "gpu.md").read_text(encoding="utf-8")
    [said] = re.findall(r"cat > sweep.yml <<END\n(.*?)END\n", text, re.S)
    (tmp_path / "sweep.yml").write_text(said.replace("data: runs/gpu/data\n", ""))
    sweep = read_sweep(tmp_path / "sweep.yml")
    assert len(runs_of(sweep)) == 6 and sweep.profile == "gpu"
