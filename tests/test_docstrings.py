"""The examples in docstrings do what they show."""

import doctest
import importlib

import pytest

from tests.conftest import ROOT

FILES = [p for p in sorted((ROOT / "albumlib").rglob("*.py")) if ">>>" in p.read_text("utf-8")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_examples_do_what_they_show(file):
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried and not failed


def test_there_are_examples():
    assert len(FILES) > 10
