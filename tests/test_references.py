"""The glossary and the bibliography say what the chapters say, and every link leads somewhere."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CHAPTERS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
GLOSSARY = (NOTEBOOKS / "glossary.md").read_text(encoding="utf-8")
BIBLIOGRAPHY = (NOTEBOOKS / "bibliography.md").read_text(encoding="utf-8")
PAPER = r"https?://(?:arxiv\.org/abs|doi\.org)/[^)\s]+"


def prose(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def entries() -> dict[str, str]:
    """Address of each paper, and its line in the bibliography."""
    lines = [line for line in BIBLIOGRAPHY.splitlines() if line.startswith("- ")]
    return {re.findall(r"\]\((http[^)]+)\)", line)[0]: line for line in lines}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_paper_of_a_chapter_is_in_the_bibliography_under_its_name(path):
    known = entries()
    for words, address in re.findall(rf"\[([^\]]+)\]\(({PAPER})\)", prose(path)):
        assert f"]({path.name})" in known[address]
        names = set(re.findall(r"[^\W\d_]{2,}", words.casefold())) - {"et", "al", "and", "by"}
        assert any(name in known[address].casefold() for name in names), words


def test_every_paper_of_the_bibliography_is_cited_where_it_says():
    for address, line in entries().items():
        cited = re.findall(r"\]\(([\w/]+\.ipynb)\)", line)
        assert cited and all(f"]({address})" in prose(NOTEBOOKS / name) for name in cited), line


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_says_what_it_presumes_and_where_terms_are_explained(path):
    head = "\n".join(prose(path).splitlines()[:40])
    assert "**Prerequisites:**" in head and "](glossary.md" in head and "takes |" in head


def test_a_term_is_explained_once_and_occurs_in_its_chapter():
    found = re.findall(r"^### (.+)\n\n.+\(\[\d+\]\((.+\.ipynb)\)\)$", GLOSSARY, re.M)
    assert len(found) == GLOSSARY.count("### ") == len({term for term, _ in found}) > 50
    for term, chapter in found:
        first = re.split(r"[\s(]", term)[0].casefold()
        assert first in prose(NOTEBOOKS / chapter).casefold(), term
