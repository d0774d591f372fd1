"""Is everything here that the course needs? One line for each thing, and what to do about it.

The list is the package's own: what pyproject.toml declares, read from the installed metadata.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from subprocess import DEVNULL

from packaging.requirements import Requirement
from packaging.version import Version

DISK = 3.0  # GB that a laptop run of the course may fill


@dataclass(frozen=True)
class Finding:
    """One line of the check. `state` is "OK", "FAIL", or "NOTE" for what one can do without."""

    state: str
    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{f'[{self.state}]':<7}{self.what}" + (f": {self.advice}" if self.advice else "")


def examine(folder: str | Path = ".") -> list[Finding]:
    """Check Python, the requirements, the kernel, the disk at `folder` and the device."""
    return [
        python_version(metadata.metadata("albumlib")["Requires-Python"]),
        *requirements(metadata.requires("albumlib") or []),
        kernel(),
        disk(folder),
        device(),
    ]


def python_version(wanted: str) -> Finding:
    """Whether this Python is new enough, `wanted` being like ">=3.10"."""
    found = ".".join(map(str, sys.version_info[:3]))
    if Version(found) in Requirement(f"python{wanted}").specifier:
        return Finding("OK", f"Python {found}")
    return Finding("FAIL", f"Python {found}", f"albumlib needs Python {wanted}")


def requirements(lines: list[str]) -> Iterator[Finding]:
    """One finding for each requirement; what only an extra asks for is no failure."""
    for line in lines:
        wanted = Requirement(line)
        said = re.search(r'extra == "(\w+)"', str(wanted.marker or ""))
        extra = said[1] if said else ""
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": extra})
        if applies and wanted.name != "albumlib":
            yield _installed(wanted, extra)


def _installed(wanted: Requirement, extra: str) -> Finding:
    state = "NOTE" if extra else "FAIL"
    package = f"albumlib[{extra}]" if extra else "albumlib"
    use = f"needed by {package}; install it with: pip install '{wanted.name}{wanted.specifier}'"
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return Finding(state, wanted.name, f"missing, {use}")
    if Version(found) in wanted.specifier or Version(found).is_prerelease:
        return Finding("OK", f"{wanted.name} {found}")
    return Finding(state, f"{wanted.name} {found}", f"too old, {use}")


def kernel(name: str = "python3") -> Finding:
    """Whether the kernel that the notebooks ask for starts, and runs this very Python."""
    what = f"Jupyter kernel {name}"
    try:
        from jupyter_client.kernelspec import find_kernel_specs
    except ImportError:
        return Finding("NOTE", what, "no Jupyter here; the notebooks need albumlib[notebooks]")
    place = find_kernel_specs().get(name)
    if place is None:
        advice = f"install it with: python -m ipykernel install --sys-prefix --name {name}"
        return Finding("FAIL", what, advice)
    remedy = f"remove what stands in its place: jupyter kernelspec remove {name}"
    try:
        prefix = _prefix_of(name)
    except (RuntimeError, OSError) as error:
        return Finding("FAIL", what, f"{place} does not start ({error}); {remedy}")
    if Path(prefix).resolve() == Path(sys.prefix).resolve():
        return Finding("OK", what)
    return Finding("FAIL", what, f"{place} starts the Python of {prefix}; {remedy}")


def _prefix_of(name: str) -> str:
    """Where the Python of a kernel lives, as it says itself. RuntimeError if it does not start."""
    from jupyter_client.manager import run_kernel

    said: list[str] = []
    with run_kernel(kernel_name=name, startup_timeout=30, stderr=DEVNULL) as client:
        client.execute_interactive(
            "import sys; print(sys.prefix)",
            timeout=30,
            output_hook=lambda message: said.append(message["content"].get("text", "")),
        )
    return "".join(said).strip()


def disk(folder: str | Path) -> Finding:
    """Whether there is room for a run of the course."""
    free = shutil.disk_usage(folder).free / 1e9
    what = f"disk, {free:.0f} GB free"
    return Finding("OK", what) if free >= DISK else Finding(
        "FAIL", what, f"the course fills up to {DISK:.0f} GB: make room"
    )  # fmt: skip


def device() -> Finding:
    """What a model would be trained on."""
    try:
        import torch
    except ImportError:
        return Finding("FAIL", "device", "PyTorch is missing or damaged: install torch again")
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return Finding("OK", f"trains on {torch.cuda.get_device_name()}, {memory:.0f} GB")
    if torch.backends.mps.is_available():
        return Finding("OK", "trains on the Apple GPU")
    return Finding("OK", f"trains on the processor, {torch.get_num_threads()} threads")
