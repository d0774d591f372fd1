"""What a reader, and a reviewer, may expect of each notebook; read with nbformat, nothing runs."""

import ast
import re
from functools import cache
from pathlib import Path
from statistics import median

import nbformat
import pytest

from tests.refresh_notebooks import CHAPTERS, GALLERY, pictured

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMMON = {"profile": 'str = "smoke"', "data_dir": 'str = "../data/smoke"', "seed": "int = 2026"}
MACHINE = re.compile(r"/home/|/Users/|/root/|/tmp/|/work/|[A-Z]:\\\\")
SIZE = 1.5e6  # bytes
LINES = 25  # of a code cell
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
WORDS = 150  # of a markdown cell
MEDIAN = 60
LINKS = 8  # to papers and documentation, a chapter

pytestmark = pytest.mark.skipif(not NOTEBOOKS, reason="there are no notebooks yet")
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@cache
def read(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def prose(path: Path) -> str:
    cells = read(path).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@each
def test_one_typed_and_commented_parameters_cell(path):
    [cell] = [c for c in read(path).cells if "parameters" in c.metadata.get("tags", [])]
    assert not any("injected-parameters" in c.metadata.get("tags", []) for c in read(path).cells)
    for line in cell.source.strip().splitlines():
        typed = r"\w+: (int|float|str|bool) = \S.*  # \S.*|# .*"
        assert re.fullmatch(typed, line), f"a name, a type, a value and a comment: {line}"
    for name, rest in COMMON.items():
        assert f"{name}: {rest}  # " in cell.source


@each
def test_its_paths_count_from_its_folder_wherever_it_is_run(path):
    assert sum("settle_paths()" in cell.source for cell in code_cells(path)) == 1


@each
def test_it_was_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))
    assert any(cell.outputs for cell in code_cells(path))


@each
def test_outputs_hold_no_errors_and_no_noise(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.text


@each
def test_nothing_of_the_machine_is_left_in_it(path):
    notebook = read(path)
    assert "widgets" not in notebook.metadata and "papermill" not in notebook.metadata
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not {"papermill", "execution"} & set(cell.metadata)
        texts = [cell.source]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            shown = [data.get(kind, "") for kind in ("text/plain", "text/html")]
            texts += [output.get("text", ""), *shown]
        for text in texts:
            assert not MACHINE.search(text), text[:300]


@each
def test_it_is_small_and_its_cells_are_short(path):
    assert path.stat().st_size < SIZE
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= LINES, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS + SOLUTIONS, ids=lambda path: path.stem)
def test_code_is_for_readers_and_not_for_a_formatter(path):
    assert not any(re.search(r"#\s*(fmt|noqa|type):", cell.source) for cell in code_cells(path))


def test_each_picture_of_the_gallery_is_the_output_of_one_cell():
    pieces = [(notebook, piece) for notebook, piece, _ in GALLERY.values()]
    pieces += [(notebook, piece) for notebook, (piece, _) in CHAPTERS.items()]
    for notebook, piece in pieces:
        assert pictured(ROOT / "notebooks", notebook, piece)


@each
def test_at_least_one_output_is_compared(path):
    marked = ("nbval-check-output" in cell.metadata.get("tags", []) for cell in code_cells(path))
    assert any(marked) or any("NBVAL_CHECK_OUTPUT" in cell.source for cell in code_cells(path))


@each
def test_it_begins_with_a_title_and_ends_with_exercises(path):
    first = read(path).cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert "What you will learn" in prose(path)
    headings = re.findall(r"^#+ +(.+)$", prose(path), re.M)
    assert "Exercises" in headings[-1]


@each
def test_one_gets_from_it_to_its_neighbours(path):
    place = NOTEBOOKS.index(path)
    beside = NOTEBOOKS[max(place - 1, 0) : place] + NOTEBOOKS[place + 1 : place + 2]
    titles = {near.name: read(near).cells[0].source.splitlines()[0] for near in beside}
    links = [f"[{title.removeprefix('# ')}]({name})" for name, title in titles.items()]
    assert [link for link in links if link not in read(path).cells[-1].source] == []


@each
def test_relative_links_resolve(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if not re.match(r"https?:|#|attachment:", link):
            assert (path.parent / link.split("#")[0]).exists(), link


@each
def test_it_imports_from_at_most_one_level_down(path):
    """`from albumlib.training import train`; the pieces of the imprint lie one deeper."""
    code = "\n".join(cell.source for cell in code_cells(path))
    found = set(re.findall(r"from (albumlib[\w.]*) import", code))
    assert all(name.count(".") <= 1 for name in found - {"albumlib.sources.imprint"})


@each
def test_no_name_of_a_module_is_given_to_something_else(path):
    """`figures = {...}` in one cell breaks `figures.covers(...)` in the next."""
    trees = [
        ast.parse(re.sub(r"^[%!].*", "", cell.source, flags=re.M)) for cell in code_cells(path)
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {(one.asname or one.name).split(".")[0] for node in imports for one in node.names}
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    assert not modules & stored


# Chapters in their new form: short cells, sources, every exercise solved.


solved = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def words(text: str) -> int:
    """Words that are read: formulas and the addresses of links do not count."""
    text = re.sub(r"\$\$.*?\$\$|\]\([^)]*\)", "", text, flags=re.S)
    return len(re.findall(r"[\w'-]+", text))


@solved
def test_a_chapter_is_short_in_its_cells_and_names_its_sources(path):
    chapter = ROOT / "notebooks" / path.name
    texts = [cell.source for cell in read(chapter).cells if cell.cell_type == "markdown"]
    assert max(map(words, texts)) <= WORDS and median(map(words, texts)) <= MEDIAN
    assert prose(chapter).count("](http") >= LINKS
    assert prose(chapter).count("<details><summary>Answer") >= 3
    assert max(len(cell.source.splitlines()) for cell in code_cells(chapter)) <= 15


@solved
def test_every_exercise_is_solved(path):
    asked = read(ROOT / "notebooks" / path.name).cells[-1].source
    numbers = re.findall(r"^(\d+)\. ", asked, re.M)
    assert re.findall(r"^## (\d+)\. ", prose(path), re.M) == numbers
    assert f"solutions/{path.name}" in asked


@solved
def test_solutions_were_run(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(path):
        assert not any(output.output_type == "error" for output in cell.outputs)
