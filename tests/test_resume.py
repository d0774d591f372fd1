"""What makes a notebook run again, and what is set aside when it does."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from albumlib.course import state
from albumlib.course.state import Job, Work, begin, finish, reason_to_run

PARAMETERS = 'steps: int = 3\ntable: str = "songs.csv"\ndata_dir: str = "data"'


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Three notebooks, done: the first makes a cover set, the others read it."""
    made = {"01_a": Work((), ("coverset",)), "02_b": Work(("01_a",), ("model",))}
    monkeypatch.setattr(state, "CHAPTERS", made)
    for name in ("01_a", "02_b", "03_c"):
        write(tmp_path / f"{name}.ipynb", "1")
    (tmp_path / "songs.csv").write_text("a")
    for name in ("coverset", "model"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "manifest.json").write_text(name)
    for job in jobs(tmp_path):
        begin(job, tmp_path / "data")
        finish(job, tmp_path / "data")
    return tmp_path


def write(path, code):
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[parameters, new_code_cell(code)]), path)


def jobs(folder, **parameters):
    every = sorted(folder.glob("*.ipynb"))
    return [Job(path, {"data_dir": str(folder), **parameters}) for path in every]


def reasons(folder, **parameters):
    return [reason_to_run(job, folder / "data") for job in jobs(folder, **parameters)]


def test_nothing_runs_if_nothing_changed(course):
    assert reasons(course) == ["", "", ""]


def test_a_parameter(course):
    assert reasons(course, steps=4) == ["changed: parameters"] * 3


def test_code(course):
    write(course / "02_b.ipynb", "2")
    assert reasons(course) == ["", "changed: code", ""]


def test_the_package(course, monkeypatch):
    monkeypatch.setattr(state, "_package", lambda: "another")
    assert reasons(course) == ["changed: code"] * 3


def test_a_file_that_a_parameter_names(course):
    (course / "songs.csv").write_text("a,b")
    assert reasons(course) == ["changed: files"] * 3


def test_a_manifest_changes_what_reads_it(course):
    (course / "data" / "coverset" / "manifest.json").write_text("other")
    assert reasons(course) == ["", "changed: earlier chapters", "changed: earlier chapters"]


def test_a_chapter_that_ran_again(course):
    first = jobs(course)[0]
    begin(first, course / "data")
    assert reasons(course)[0] == "not finished"
    finish(first, course / "data")
    assert reasons(course) == ["", "changed: earlier chapters", "changed: earlier chapters"]


def test_work_that_was_deleted(course):
    (course / "data" / "model" / "manifest.json").unlink()
    (course / "data" / "model").rmdir()
    assert reasons(course)[1] == "its work is gone"


def test_interrupted_work_is_kept_and_outdated_work_set_aside(course):
    data, second = course / "data", jobs(course)[1]
    begin(second, data)
    assert (data / "model").exists(), "the same inputs: it goes on from there"
    for text in ("new", "newer"):
        write(course / "02_b.ipynb", text)
        (data / "model").mkdir(exist_ok=True)
        begin(second, data)
        assert not (data / "model").exists() and (data / "old" / "model").exists()


def test_what_was_gathered_survives_a_change_of_code_only(course):
    data = course / "data"
    write(course / "01_a.ipynb", "2")
    begin(jobs(course)[0], data)
    assert (data / "coverset").exists()
    begin(jobs(course, steps=9)[0], data)
    assert not (data / "coverset").exists()


def test_a_state_says_what_it_was_made_from(course):
    state = json.loads((course / "data" / "state" / "02_b.json").read_text())
    assert set(state["inputs"]) == {"code", "parameters", "files", "earlier chapters"}
    assert state["finished"]


def test_every_notebook_of_the_course_needs_only_notebooks_of_the_course(root):
    names = {path.stem for path in (root / "notebooks").glob("[0-9]*.ipynb")}
    assert names == set(state.CHAPTERS)
    for name in names:
        assert set(state.CHAPTERS[name].needs) <= names
