"""What a run's numbers are held against, and how it is said that they are outside of it."""

import json
import math

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from albumlib.course import expected, planning
from albumlib.course.expected import EXPECTED, Headline, headlines, marks, short
from albumlib.course.runner import PROFILES, check_claims, read_results, record, run_course
from tests.expected_ranges import measured

KNOWN = {
    "headlines": [
        {"key": "05_a.r2", "name": "label recovery", "reference": "05_a.r2_real",
         "control": "05_a.r2_shuffled"},
        {"key": "07_b.fd", "name": "distance"},
    ],
    "ranges": {"laptop": {"05_a.r2": [0.78, 0.88], "05_a.steps": [3000, 3000],
                          "07_b.fd": [0.5, 1.5]}},
}  # fmt: skip


@pytest.fixture
def known(tmp_path, monkeypatch):
    path = tmp_path / "expected.json"
    path.write_text(json.dumps(KNOWN))
    for function in (headlines, marks):
        monkeypatch.setattr(function, "__defaults__", (path,))
    return path


def test_a_number_within_its_range_is_not_marked(known):
    assert marks({"05_a.r2": 0.8, "05_a.steps": 3000, "07_b.fd": 1.5}, "laptop") == {}


def test_a_training_that_was_cut_short_is_the_reason(known):
    found = marks({"05_a.r2": 0.12, "05_a.steps": 51, "07_b.fd": 0.7}, "laptop")
    stopped = "the training was stopped after 51 of 3,000 steps"
    assert found == {
        "05_a.r2": f"label recovery 0.12, expected 0.78 to 0.88: {stopped}",
        "05_a.steps": f"chapter 5: {stopped}",
    }
    longer = marks({"05_a.steps": 5000}, "laptop")
    assert list(longer.values()) == ["chapter 5: the training made 5,000 steps, not 3,000"]


def test_a_chapter_that_builds_on_a_short_training_says_so():
    found = marks({"07_evaluation.coverage": 0.1, "05_acgan.steps": 50}, "laptop")
    assert "coverage of held-out covers 0.10, expected" in found["07_evaluation.coverage"]
    assert "stopped after 50 of 1,500 steps" in found["07_evaluation.coverage"]


def test_numbers_without_a_reason_are_marked_too(known):
    found = marks({"05_a.r2": -1.08}, "laptop")
    assert found == {"05_a.r2": "label recovery −1.08, expected 0.78 to 0.88"}


@pytest.mark.parametrize("profile", ["", "smoke"])
def test_nothing_is_expected_of_other_profiles_and_sources(known, profile):
    results = {"05_a.r2": 0.1, "05_a.r2_real": 0.97}
    assert marks(results, profile) == {} and expected.ranges_of(results, profile) == {}
    assert headlines(results, profile) == [Headline("05_a.r2", "label recovery", 0.1, 0.97)]


def test_without_the_checkout_nothing_is_expected(tmp_path):
    assert marks({"05_acgan.label_r2": 0.0}, "laptop", tmp_path / "none.json") == {}


def test_a_chapter_says_which_of_its_claims_hold(known, tmp_path, capsys):
    record(tmp_path, "05_a", r2=0.8, steps=3000)
    check_claims(tmp_path, "05_a", "laptop")
    assert capsys.readouterr().out == "label recovery 0.80, as expected\n"
    record(tmp_path, "05_a", r2=0.1, steps=9)
    check_claims(tmp_path, "05_a", "laptop")
    assert "expected 0.78 to 0.88: the training was stopped" in capsys.readouterr().out
    check_claims(tmp_path, "05_a", "smoke")
    assert capsys.readouterr().out.startswith("too little is trained here")


def test_ranges_are_taken_from_runs(known):
    runs = [{"05_a.r2": 0.8, "05_a.r2_real": 1.0, "05_a.steps": 3000, "07_b.fd": 1.0},
            {"05_a.r2": 0.9, "05_a.r2_real": 1.0, "05_a.steps": 3000, "07_b.fd": 1.2}]  # fmt: skip
    found = measured(runs, "gpu", known)["ranges"]
    assert found["laptop"] == KNOWN["ranges"]["laptop"]
    assert found["gpu"]["05_a.steps"] == [3000, 3000] and found["gpu"]["07_b.fd"] == [1.0, 1.2]
    low, high = found["gpu"]["05_a.r2"]
    assert low < 0.8 and high > 0.9 and math.isclose(0.8 - low, high - 0.9, abs_tol=1e-6)


def test_the_committed_numbers_are_as_expected(root):
    results = json.loads((root / "data" / "measured" / "laptop.json").read_text(encoding="utf-8"))
    found = marks(results, "laptop")
    assert [key for key in found if not key.endswith("steps")] == []


def test_ranges_name_headlines_and_the_notebooks_own_steps(root):
    known = json.loads(EXPECTED.read_text(encoding="utf-8"))
    keys = {one["key"] for one in known["headlines"]}
    for profile, ranges in known["ranges"].items():
        assert profile in PROFILES
        assert {key for key in ranges if ".steps" not in key} <= keys
        for key, (low, high) in ranges.items():
            assert low <= high
            if key.endswith(".steps"):
                name = key.partition(".")[0]
                text = (root / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
                assert f"{profile}={low}" in text.replace("_", ""), key


def test_a_run_tells_at_its_end_what_is_not_as_expected(known, tmp_path):
    parameters = 'profile: str = ""\ndata_dir: str = ""\nsteps: int = 3000'
    tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    work = "from albumlib.course import record\nrecord(data_dir, '05_a', r2=0.12, steps=steps)"
    notebook = new_notebook(cells=[tagged, new_code_cell(work)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(notebook, tmp_path / "05_a.ipynb")
    lines, every = [], planning.find_notebooks(folder=tmp_path)
    report = run_course("laptop", tmp_path / "out", every, {"steps": 50}, {}, lines.append)
    assert lines[-3:] == [
        "not as expected: label recovery 0.12, expected 0.78 to 0.88: the training was stopped "
        "after 50 of 3,000 steps",
        "not as expected: chapter 5: the training was stopped after 50 of 3,000 steps",
        "2 numbers are not as expected, marked in the report",
    ]
    page = report.read_text(encoding="utf-8")
    assert page.count("expected 0.78 to 0.88") == 2 and "outside" in page
    results = read_results(tmp_path / "out" / "results.json")
    assert results["05_a.r2_expected_low"] == 0.78 and results["05_a.r2_expected_high"] == 0.88
    assert expected.without_ranges(results) == {"05_a.r2": 0.12, "05_a.steps": 50}
    assert "expected low" not in page


def test_numbers_are_written_as_prose_has_them():
    assert [short(value) for value in (-1.08, 65.85, 1234.5, 3)] == ["−1.08", "65.8", "1,234", "3"]
