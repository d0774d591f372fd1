"""What is committed of a chapter: the outputs of a course that ran this very text."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests import refresh_notebooks


def printed(text: str) -> list:
    return [new_output("stream", name="stdout", text=text)]


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A chapter of two cells, and a course that ran it with parameters of its own."""
    monkeypatch.setattr(refresh_notebooks, "COURSE", tmp_path / "course")
    (tmp_path / "course").mkdir()
    cells = [new_markdown_cell("Words"), new_code_cell("steps = 1"), new_code_cell("run()")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "01_a.ipynb")
    said = (
        "9 steps more will take about 2 min here\nstep: 5 of 10, 1 min 8 s left\n10 covers left\n"
    )
    injected = new_code_cell("steps = 10", metadata={"tags": ["injected-parameters"]})
    ran = [cells[1], injected, new_code_cell("run()", outputs=printed(said), execution_count=3)]
    nbformat.write(new_notebook(cells=ran), tmp_path / "course" / "01_a.ipynb")
    return tmp_path / "01_a.ipynb"


def test_outputs_are_those_of_the_course_without_its_parameters_and_times(course):
    refresh_notebooks.write(refresh_notebooks.of_the_course(course), course)
    cells = nbformat.read(course, as_version=4).cells
    assert [cell.source for cell in cells] == ["Words", "steps = 1", "run()"]
    assert [cell.execution_count for cell in cells[1:]] == [1, 2]
    assert cells[2].outputs[0].text == "step: 5 of 10\n10 covers left\n"


def test_a_chapter_that_has_changed_since_is_refused(course):
    notebook = nbformat.read(course, as_version=4)
    notebook.cells[2].source = "run(again=True)"
    nbformat.write(notebook, course)
    with pytest.raises(SystemExit, match="run the course again"):
        refresh_notebooks.of_the_course(course)
