"""The course runner: checked before it runs, clear when it fails, and a report to show."""

import json
import os
import re
import signal
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from albumlib.course import planning, runner, state
from albumlib.course.report import SHOWN, STYLE, read_chapter, write_report
from albumlib.course.runner import CourseError, record, run_course
from albumlib.evaluation.label_recovery import RECOVERABLE
from albumlib.runtime import doctor, threads

PARAMETERS = """profile: str = "smoke"  # how much
data_dir: str = "../data/smoke"  # where
seed: int = 2021  # of everything
steps: int = 3  # how many
rate: float = 0.5  # how fast, where loud="yes"
loud: bool = False  # how loud
"""
FIGURE = """from matplotlib import pyplot as plt
plt.plot([1, 2, seed % 7])
plt.show()"""
RECORD = """from albumlib.course import runner
runner.record(data_dir, "01_first", steps=steps, swd=0.5 * rate, swd_real=0.1)
print("profile", profile, "seed", seed)"""


def write(path, *cells):
    """A notebook of these cells, not yet run."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=list(cells), metadata={"kernelspec": kernel}), path)


@pytest.fixture
def folder(tmp_path):
    """A course of two small notebooks; the second fails if `steps` is 13."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    tagged = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    first = [
        new_markdown_cell("# 1. The *first*\n\nIt has one line.\n\n- a list"),
        tagged,
        new_markdown_cell("## A line\n\nSee **how** it bends."),
        new_code_cell(FIGURE),
        new_code_cell(RECORD),
    ]
    second = [
        new_markdown_cell("# 2. The second"),
        tagged,
        new_code_cell("if steps == 13:\n    raise ValueError('an unlucky\\nnumber')"),
    ]
    for name, cells in (("01_first", first), ("02_second", second)):
        write(folder / f"{name}.ipynb", *cells)
    return folder


@pytest.fixture
def notebooks(folder):
    return planning.find_notebooks(folder=folder)


def said(call, *arguments, **named) -> str:
    """The message of the CourseError that a call raises."""
    with pytest.raises(CourseError) as caught:
        call(*arguments, **named)
    return str(caught.value)


def test_a_run_leaves_notebooks_numbers_and_a_report(tmp_path, notebooks):
    lines = []
    out = tmp_path / "runs" / "smoke"
    common = {"seed": 5, "source": "imprint"}
    report = run_course("smoke", out, notebooks, {"steps": "7"}, common, lines.append)
    results = json.loads((out / "results.json").read_text())
    assert results == {"01_first.steps": 7, "01_first.swd": 0.25, "01_first.swd_real": 0.1}
    assert "profile smoke seed 5" in (out / "logs" / "01_first.log").read_text()
    assert (out / "01_first.ipynb").exists() and (out / "02_second.ipynb").exists()
    assert not list(notebooks[0].parent.glob("*.json")), "nothing beside the notebooks"
    assert lines[0].startswith("1/2 01_first") and "done in" in lines[-1]
    page = report.read_text()
    assert page.count("data:image/png;base64,") == 1
    for text in ("The first", "A line", "See how it bends.", "0.25", "real covers", "seed = 5"):
        assert text in page, text
    assert "http://" not in page and "https://" not in page and "<script" not in page
    assert "1/2 01_first: cell 1 of 4" in lines

    asked = ("smoke", out, notebooks, {"steps": "7"}, common)
    assert [reason for _, reason in runner.preview(*asked)] == ["", ""]
    again = []
    run_course(*asked, again.append)
    assert all("skipped, nothing has changed" in line for line in again) and len(again) == 2
    assert json.loads((out / "results.json").read_text()) == results
    (out / "01_first.ipynb").unlink()
    reasons = [reason for _, reason in runner.preview(*asked)]
    assert reasons == ["its executed notebook is gone", "after 01_first"]


def test_a_failing_notebook_is_named_with_its_cell_and_its_error(tmp_path, notebooks):
    message = said(run_course, "smoke", tmp_path, notebooks, {"steps": 13}, progress=str)
    assert message.startswith("02_second failed in its cell [3]: ValueError: an unlucky number")
    assert json.loads((tmp_path / "results.json").read_text())["01_first.steps"] == 13
    assert "This run stopped at 02_second." in (tmp_path / "report.html").read_text()


def test_a_killed_kernel_is_reported(tmp_path, folder):
    cells = [
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        new_code_cell("import os\nos._exit(9)"),
    ]
    write(folder / "03_third.ipynb", *cells)
    third = planning.find_notebooks(["3"], folder=folder)
    message = said(run_course, "smoke", tmp_path, third, progress=str)
    assert "03_third" in message and "memory" in message


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"step": "3"}, "'step'; known are data_dir, loud, profile, rate, seed, steps"),
        ({"steps": "3.5"}, "steps of 01_first must be int, got '3.5'"),
        ({"steps": 2.0}, "steps of 01_first must be int, got 2.0"),
        ({"steps": True}, "steps of 01_first must be int, got True"),
        ({"loud": "yes"}, "loud of 01_first must be bool, got 'yes'"),
        ({"rate": "fast"}, "rate of 01_first must be float, got 'fast'"),
    ],
)
def test_wrong_parameters_stop_the_run_before_it_starts(tmp_path, notebooks, parameters, words):
    out = tmp_path / "out"
    assert words in said(run_course, "smoke", out, notebooks, parameters)
    assert not out.exists()


def test_parameters_take_the_type_of_the_notebook(notebooks):
    given = {"steps": "5", "rate": "2", "loud": "true"}
    for job in planning.plan(notebooks, given, {"unknown": 1, "seed": 3}):
        assert job.parameters == {"steps": 5, "rate": 2.0, "loud": True, "seed": 3}
        assert type(job.parameters["rate"]) is float


def test_a_parameter_is_known_by_its_former_name(folder):
    cell = new_code_cell('pretrained: str = "a"', metadata={"tags": ["parameters"]})
    write(folder / "03_third.ipynb", cell)
    with pytest.warns(FutureWarning, match="finished is now called pretrained"):
        *_, job = planning.plan(planning.find_notebooks(folder=folder), {"finished": "b"}, {})
    assert job.parameters == {"pretrained": "b"}


def test_a_parameter_without_a_type_is_refused(folder):
    cell = new_code_cell("steps = 3", metadata={"tags": ["parameters"]})
    write(folder / "03_third.ipynb", cell)
    third = planning.find_notebooks(["03_third"], folder=folder)
    assert "must say whether steps is" in said(planning.plan, third, {"steps": 3}, {})


def test_paths_are_given_as_seen_from_the_notebooks(tmp_path, notebooks):
    job = planning.plan(notebooks, {}, {"data_dir": tmp_path / "runs" / "x" / "data"})[0]
    assert job.parameters == {"data_dir": "../runs/x/data"}


def test_an_unknown_profile_is_refused(tmp_path, notebooks):
    assert "smoke, laptop, gpu" in said(run_course, "desktop", tmp_path, notebooks)


@pytest.mark.parametrize(
    ("only", "start", "found"),
    [
        ([], "", ["01_first", "02_second"]),
        (["2"], "", ["02_second"]),
        (["02", "01_first.ipynb"], "", ["01_first", "02_second"]),
        ([], "2", ["02_second"]),
    ],
)
def test_notebooks_by_number_or_name(folder, only, start, found):
    assert [n.stem for n in planning.find_notebooks(only, start, folder)] == found


def test_unknown_notebooks_are_named(folder, tmp_path):
    message = said(planning.find_notebooks, ["7"], folder=folder)
    assert message == "there is no notebook '7'; there are 01_first, 02_second"
    assert "none of 1 comes after 2" in said(planning.find_notebooks, ["1"], "2", folder)
    assert "no notebooks" in said(planning.find_notebooks, folder=tmp_path / "nowhere")


COUNT = """import os, signal
from pathlib import Path
from albumlib.course import runner
data = Path(data_dir)
kept = data / f"{part}.txt"
count = int(kept.read_text()) if kept.exists() else 0
while count < 5:
    count += 1
    kept.write_text(str(count))
    if kills and count == 3:
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(1)
runner.record(data_dir, part, total=count * 10)"""


def test_killed_in_every_notebook_a_run_ends_as_an_unbroken_one(tmp_path):
    """The kernel kills the runner, in the middle of its work, and goes down with it."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for part in ("01_first", "02_second"):
        parameters = f'data_dir: str = ""\nkills: bool = False\npart: str = "{part}"'
        tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        write(folder / f"{part}.ipynb", tagged, new_code_cell(COUNT))

    def start(out, kills):
        code = (
            "import sys; from pathlib import Path; "
            "from albumlib.course import planning, runner; "
            "runner.run_course('smoke', sys.argv[1], "
            f"planning.find_notebooks(folder=Path(sys.argv[2])), {{'kills': {kills}}})"
        )
        command = [sys.executable, "-c", code, tmp_path / out, folder]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert [start("parts", True).returncode for _ in range(2)] == [-signal.SIGKILL] * 2
    last = start("parts", True)
    assert last.returncode == 0 and "1/2 01_first: skipped" in last.stdout, last.stderr
    unbroken = {"01_first.total": 50, "02_second.total": 50}
    assert json.loads((tmp_path / "parts" / "results.json").read_text()) == unbroken


MEET = """from pathlib import Path
import time
(Path(data_dir) / name).touch()
until = time.monotonic() + 60
while len(list(Path(data_dir).glob("0*"))) < expected and time.monotonic() < until:
    time.sleep(0.05)
assert len(list(Path(data_dir).glob("0*"))) >= expected
from albumlib.course import runner
runner.record(data_dir, name, met=1)"""


def test_notebooks_run_side_by_side_once_those_they_need_are_done(tmp_path, monkeypatch):
    """The second and the third wait for each other; the fourth comes after both."""
    after_first = {name: state.Work(("01_a",)) for name in ("02_b", "03_c")}
    monkeypatch.setattr(state, "CHAPTERS", {"01_a": state.Work(()), **after_first})
    for name, expected in (("01_a", 1), ("02_b", 3), ("03_c", 3), ("04_d", 4)):
        parameters = f'data_dir: str = ""\nname: str = "{name}"\nexpected: int = {expected}'
        tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        write(tmp_path / f"{name}.ipynb", tagged, new_code_cell(MEET))
    lines = []
    every = planning.find_notebooks(folder=tmp_path)
    run_course("smoke", tmp_path / "out", every, {}, {}, lines.append, workers=3)
    assert len(json.loads((tmp_path / "out" / "results.json").read_text())) == 4
    order = [line.split(":")[0][4:] for line in lines if ": done in" in line]
    assert order[0] == "01_a" and order[-1] == "04_d" and set(order[1:3]) == {"02_b", "03_c"}


def test_a_cell_that_takes_too_long_is_stopped(tmp_path, folder):
    tagged = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    write(folder / "03_third.ipynb", tagged, new_code_cell("while True: pass"))
    third = planning.find_notebooks(["3"], folder=folder)
    message = said(run_course, "smoke", tmp_path, third, progress=str, timeout=2)
    assert message == "03_third was stopped: a cell took longer than the 2 s of --timeout"


def test_a_kernelspec_in_the_way_does_not_matter(tmp_path, notebooks, monkeypatch):
    shadow(tmp_path, monkeypatch, ["false"])
    run_course("smoke", tmp_path / "out", notebooks, progress=str)
    assert runner.read_results(tmp_path / "out" / "results.json")


def shadow(folder, monkeypatch, command):
    """Put a kernelspec `python3` with this command before all others."""
    place = folder / "jupyter" / "kernels" / "python3"
    place.mkdir(parents=True)
    spec = {"argv": command, "display_name": "Python 3", "language": "python"}
    (place / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "jupyter"))


ELSEWHERE = """import sys; sys.prefix = "/elsewhere"; sys.argv[1:1] = ["-f"]
from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"""


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["false"], "does not start"),
        (["no-such-program-anywhere"], "does not start"),
        ([sys.executable, "-c", ELSEWHERE, "{connection_file}"], "starts the Python of /elsewhere"),
    ],
)
def test_the_doctor_asks_the_kernel(tmp_path, monkeypatch, command, words):
    assert doctor.kernel().state == "OK"
    shadow(tmp_path, monkeypatch, command)
    found = doctor.kernel()
    assert found.state == "FAIL" and words in found.advice and "kernelspec remove" in found.advice


def test_data_may_lie_elsewhere(tmp_path, notebooks):
    big = tmp_path / "big"
    asked = ("smoke", tmp_path / "out", notebooks, {"data_dir": str(big)})
    run_course(*asked, progress=str)
    assert json.loads((tmp_path / "out" / "results.json").read_text())["01_first.steps"] == 3
    assert (big / "results.json").exists() and not (tmp_path / "out" / "data").exists()
    assert [reason for _, reason in runner.preview(*asked)] == ["", ""]


@pytest.mark.parametrize("given", ["parameters", "common"])
def test_a_seed_that_some_chapter_cannot_use_is_refused(tmp_path, notebooks, given):
    asked = {"parameters": {}, "common": {}} | {given: {"seed": "20261126123456"}}
    message = said(run_course, "smoke", tmp_path / "out", notebooks, **asked)
    assert message.startswith("seed must be from 0 to")


def test_a_failure_is_told_at_once_and_cores_are_shared(tmp_path, folder, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 6)
    asked = "os.environ['OMP_NUM_THREADS'], os.environ['GOMP_SPINCOUNT']"
    seen = tmp_path / "seen"  # the first ends when the failure of the second was told
    wait = f"while not os.path.exists({str(seen)!r}) and time.monotonic() < end: time.sleep(0.1)"
    slow = f"import os, time\nprint({asked})\nend = time.monotonic() + 60\n{wait}"
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setattr(threads, "crowded", lambda: True)
    write(folder / "01_first.ipynb", new_code_cell(slow))
    write(folder / "02_second.ipynb", new_code_cell("raise ValueError('unlucky')"))
    monkeypatch.setattr(state, "CHAPTERS", dict.fromkeys(["01_first", "02_second"], state.Work(())))
    lines, both = [], planning.find_notebooks(folder=folder)

    def progress(line: str) -> None:
        lines.append(line)
        if "ValueError: unlucky" in line:
            seen.touch()

    said(run_course, "smoke", tmp_path / "out", both, progress=progress, workers=2)
    told = next(n for n, line in enumerate(lines) if "ValueError: unlucky" in line)
    assert "waiting for 01_first to end" in lines[told]
    assert "01_first: done" in "".join(lines[told:])
    log = (tmp_path / "out" / "logs" / "01_first.log").read_text()
    assert "3 0" in log.splitlines(), log


SETTLED = """from pathlib import Path
from albumlib.course import settle_paths
settle_paths()
Path("../data").mkdir(exist_ok=True)
Path("../data/made").touch()"""


@pytest.mark.parametrize("start", [".", "notebooks", "runs"])
def test_papermill_writes_into_the_project_wherever_it_is_started(tmp_path, folder, root, start):
    project = tmp_path / "project"
    folder.rename(tmp_path / "before")
    for name in ("notebooks", "runs"):
        (project / name).mkdir(parents=True)
    (project / "albumlib").symlink_to(root / "albumlib")
    write(project / "notebooks" / "01_first.ipynb", new_code_cell(SETTLED))
    source = project / "notebooks" / "01_first.ipynb"
    subprocess.run(
        [sys.executable, "-m", "papermill", "-k", "python3", source, tmp_path / "out.ipynb"],
        cwd=project / start, env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True, check=True,
    )  # fmt: skip
    assert (project / "data" / "made").exists() and not (tmp_path / "data").exists()


# What notebooks call ----------------------------------------------------------------------------


def test_records_of_several_notebooks_are_merged(tmp_path):
    record(tmp_path / "new", "05_acgan", label_r2=np.float32(0.5), n=np.int64(2000))
    record(tmp_path / "new", "04_wgan", swd=3)
    record(tmp_path / "new", "05_acgan", label_r2=0.75)
    found = runner.read_results(tmp_path / "new" / "results.json")
    assert found == {"04_wgan.swd": 3, "05_acgan.label_r2": 0.75, "05_acgan.n": 2000}
    assert list(found) == sorted(found)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.5", None, True, np.ones(2)])
def test_what_is_no_number_is_not_recorded(tmp_path, value):
    assert "05_acgan.label_r2" in said(record, tmp_path, "05_acgan", label_r2=value)
    assert not (tmp_path / "results.json").exists()


def test_damaged_results_are_told(tmp_path):
    (tmp_path / "results.json").write_text('{"a": ')
    assert "damaged" in said(record, tmp_path, "01_first", n=1)


def test_values_by_profile():
    assert runner.profile_value("laptop", smoke=1, laptop=2, gpu=3) == 2
    assert "smoke, gpu, got 'laptop'" in said(runner.profile_value, "laptop", smoke=1, gpu=3)


# The report -------------------------------------------------------------------------------------


def executed(path, *cells):
    """A notebook as if it had run, with one-pixel figures where a cell is "figure"."""
    picture = nbformat.v4.new_output(
        "display_data", data={"image/png": "AAAA\nBBBB", "image/jpeg": "C"}
    )
    made = [
        new_code_cell("plot()", outputs=[picture]) if cell == "figure" else new_markdown_cell(cell)
        for cell in cells
    ]
    write(path, *made)
    return path


def test_figures_stand_under_their_heading_and_prose(tmp_path):
    text = "## Two [lines](x.md)\n\nFirst.\n\nThe `last` *one*,\nwrapped.\n\n$$x$$\n\n- item"
    path = executed(tmp_path / "01_a.ipynb", "# 01 · Title", text, "figure", "figure", "More.")
    chapter = read_chapter(path)
    assert chapter.title == "01 · Title" and not chapter.failed
    alt = "Two lines: The last one, wrapped."
    assert [(f.heading, f.caption, f.alt, f.data) for f in chapter.figures] == [
        ("Two lines", "The last one, wrapped.", alt, "AAAABBBB"),
        ("", "", "Two lines", "AAAABBBB"),
    ]


def test_a_figure_is_described_by_its_own_title(tmp_path):
    code = (
        'title = "Forty covers"\nfigures.covers(pixels, title=title)\nplot(title=f"{n} late ones")'
    )
    picture = nbformat.v4.new_output("display_data", data={"image/png": "AAAA"})
    write(tmp_path / "01_a.ipynb", new_code_cell(code, outputs=[picture] * 3))
    found = read_chapter(tmp_path / "01_a.ipynb").figures
    assert [figure.alt for figure in found] == ["Forty covers", "… late ones", "… late ones"]
    assert found[0].code == code


def test_every_picture_of_a_report_has_a_description(tmp_path):
    executed(tmp_path / "01_a.ipynb", "figure", "# Title", "figure", "figure")
    page = write_report(tmp_path).read_text()
    described = re.findall(r'<img alt="([^"]*)"', page)
    assert len(described) == page.count("<img") == 3 and all(described)


def test_a_report_begins_with_covers_and_numbers_and_folds_its_chapters(tmp_path):
    picture = nbformat.v4.new_output("display_data", data={"image/png": "AAAA"})
    cell = new_code_cell('figures.pairs(drawn, real, title="Nine albums")', outputs=[picture])
    write(tmp_path / "05_acgan.ipynb", new_markdown_cell("# 05 · Listening"), cell)
    numbers = {"label_r2": 0.81, "label_r2_real": 0.97, "label_r2_shuffled": 0.0}
    record(tmp_path, "05_acgan", **numbers)
    page = write_report(tmp_path).read_text()
    order = [page.index(f'id="{name}"') for name in ("covers", "numbers", "05_acgan", "about")]
    assert order == sorted(order)
    row = page[page.index("label recovery (R²)") : page.index("</tr>", order[1] + 400)]
    assert re.findall(r"<td>([^<]*)</td>", row)[:3] == ["0.81", "0.97", "0.00"]
    assert re.search(
        r'<details><summary>.*?id="05_acgan">.*?<img .*?</details></section>', page, re.S
    )


@pytest.mark.parametrize(("real", "said"), [(0.06, True), (0.97, False)])
def test_a_report_says_where_real_covers_show_little(tmp_path, real, said):
    record(tmp_path, "05_acgan", label_r2=0.01, label_r2_real=real)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert ("R² of 0.06. No model can be expected" in page) is said
    assert SHOWN == RECOVERABLE


def test_text_of_a_report_can_be_read():
    """WCAG 2.2 AA asks for 4.5 : 1, on each of the backgrounds that stand behind it."""
    style = STYLE.read_text(encoding="utf-8")
    named = dict(re.findall(r"--(\w+): (#\w{6})", style))
    inks = [named[name] for name in ("ink", "muted", "accent")]
    outside = re.search(r"\.outside \{ color: (#\w{6})", style)[1]
    pairs = [(ink, ground) for ink in inks for ground in ("#ffffff", named["pale"])]
    pairs += [(outside, "#fbeae8"), (named["ink"], "#fbeae8"), (outside, "#ffffff")]
    assert min(contrast(*pair) for pair in pairs) >= 4.5


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_prose_and_numbers_cannot_break_the_page(tmp_path):
    executed(tmp_path / "01_a.ipynb", "# <script>alert(1)</script> & more", "figure")
    record(tmp_path, "01_a", loss=-0.00012345, count=1234567, size=12345.6)
    page = write_report(tmp_path).read_text()
    assert "<script" not in page and "&lt;script&gt;" in page
    for number in ("−0.000123", "1,234,567", "12,346"):
        assert number in page


def test_a_notebook_that_was_cut_off_is_left_out(tmp_path):
    executed(tmp_path / "01_a.ipynb", "# Whole")
    (tmp_path / "02_b.ipynb").write_text('{"cells": [')
    page = write_report(tmp_path).read_text()
    assert "Whole" in page and "02_b" not in page
