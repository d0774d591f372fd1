"""The frame agrees with itself: dependencies, extras, environment, and who imports whom."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.wings import arrows, imported, renewed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
MODULES = {
    "fonttools": "fontTools",
    "pillow": "PIL",
    "ruamel.yaml": "ruamel",
    "scikit_learn": "sklearn",
}  # imported under another name than installed

# The wings from the ground up: each imports only from those before it, and from itself.
WINGS = [
    "features",
    "runtime",
    "sources",
    "dataset",
    "models",
    "training",
    "evaluation",
    "sampling",
    "figures",
    "studies",
    "explorer",
    "course",
    "cli",
    "__main__",
]


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def requirements(lines: list[str]) -> set[str]:
    return {Requirement(line).name.lower().replace("-", "_") for line in lines}


def test_every_extra_but_all_is_within_all():
    [line] = EXTRAS["all"]
    whole = Requirement(line)
    assert whole.name == PROJECT["name"]
    assert whole.extras == set(EXTRAS) - {"all"}


def test_every_dependency_has_a_lower_bound_and_a_reason():
    lists = [PROJECT["dependencies"], *(EXTRAS[name] for name in EXTRAS if name != "all")]
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    for line in (line for lines in lists for line in lines):
        assert any(s.operator == ">=" for s in Requirement(line).specifier), line
        declared = [row for row in text if f'"{line}"' in row]
        assert len(declared) == 1 and "  # " in declared[0], f"say what {line} is for"


def test_the_environment_agrees_with_pyproject():
    rows = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    items = [row.split("#")[0].strip().removeprefix("- ") for row in rows if "- " in row]
    assert items == [
        "conda-forge",
        f"python{PROJECT['requires-python']}",
        "pip",
        "pip:",
        "-e .[all]",
    ]
    assert "all" in EXTRAS
    for row in rows:
        if row.strip().startswith("- ") and not row.strip().endswith("pip:"):
            assert "  # " in row, f"say what needs it: {row}"


def test_the_ruff_target_is_the_oldest_python():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest = PROJECT["requires-python"].removeprefix(">=").replace(".", "")
    assert f'target-version = "py{oldest}"' in text


def third_party(path: Path) -> set[str]:
    local = {"albumlib", "tests", *(file.stem for file in python_files("tests"))}
    names = {name.split(".")[0] for name in imported(path)}
    return names - set(sys.stdlib_module_names) - local


def test_every_import_is_declared():
    core = {MODULES.get(name, name) for name in requirements(PROJECT["dependencies"])}
    extras = requirements([line for lines in EXTRAS.values() for line in lines])
    declared = core | {MODULES.get(name, name) for name in extras}
    for path in python_files("albumlib", "tests"):
        assert third_party(path) <= declared, path.name


def test_every_declared_package_is_used():
    used = {n for path in python_files("albumlib", "tests") for n in third_party(path)}
    extras = requirements([line for lines in EXTRAS.values() for line in lines])
    tools = {
        "onnxruntime",
        "openpyxl",
        "ipykernel",
        "jupyterlab",
        "voila",
        "codespell",
        "nbval",
        "ruff",
        "ipywidgets",
        "pytest",
        "pyarrow",
        "pylatexenc",
        "onnxscript",
    }
    for name in requirements(PROJECT["dependencies"]) | extras:
        assert MODULES.get(name, name) in used | tools | {"albumlib"}, f"nobody needs {name}"


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_imports_only_from_those_before_it(wing):
    assert arrows()[wing] <= set(WINGS[: WINGS.index(wing)])


def test_every_wing_is_in_the_table():
    assert arrows().keys() == set(WINGS)


def test_the_package_does_not_import_the_notebooks():
    for path in python_files("albumlib"):
        assert not any("notebooks" in module.split(".") for module in imported(path))


def test_the_map_in_the_readme_is_that_of_the_imports():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "flowchart" in text and renewed(text) == text, "python -m tests.wings README.md"


HEAVY = ("torch", "numpy", "pandas", "matplotlib", "requests", "spotipy", "papermill", "ipywidgets")


def test_importing_the_package_is_light_and_what_cleans_in_each_process_needs_no_torch():
    code = f"""import sys, albumlib; print([name for name in {HEAVY} if name in sys.modules])
import albumlib.dataset.cleaning, albumlib.dataset.gathering; print("torch" in sys.modules)"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.split() == ["[]", "False"], run.stdout + run.stderr


BARE = """
import sys
for name in ("pandera", "papermill", "ipywidgets", "requests", "nbformat", "jupyter_client"):
    sys.modules[name] = None
import albumlib.dataset.coverset, albumlib.training, albumlib.evaluation.metrics
import albumlib.sampling.latent, albumlib.features, albumlib.models.losses, albumlib.models.networks
from albumlib.course import runner
runner.record(sys.argv[1], "05_acgan", label_r2=runner.profile_value("gpu", gpu=0.5))
sys.argv = ["albumlib", "--help"]
import runpy
runpy.run_module("albumlib", run_name="__main__")
"""


def test_training_needs_no_extra(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", BARE, tmp_path], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    assert "generate" in run.stdout and (tmp_path / "results.json").exists()


def test_make_lists_its_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^(\w+):.*##", text, re.M)
    assert {"course", "test", "lab", "bench", "clean"} <= set(targets)
    phony = re.search(r"^\.PHONY: (.*)", text, re.M)[1].split()
    assert set(targets) <= set(phony)
