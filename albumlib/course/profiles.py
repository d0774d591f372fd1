"""What a profile asks of a machine: how much is trained, and how long that should take.

The `gpu` profile is planned in images, from what an H100 made of them (`tests/benchmarks/gpu.py`):

    a forward pass at 128 pixels   generator 0.34, critic 0.73 GFLOP an image (torch's FlopCounter)
    a step of `acgan`              critic: real and generated, forward and backward   6.0 critics
                                   generator: two scores, one gradient to the image   3.0 critics
                                   R1 + R2 in every eighth step, through gradients    1.5 critics
                                   one generator forward and backward              3.0 generators
                                   in all 8.7 GFLOP an image; 2.1 at 64 pixels
    wgan_logan                     about twice that: its penalty and latent step come more often
    measured, in batches of 128    31,700 images a second at 64 pixels, compiled and as graphs: 67
                                   TFLOP/s; 20,200 as graphs alone: 43; at 128 pixels, with half
                                   the channels and as graphs alone, 10,800: 32
    planned with                   32 TFLOP/s, the least of these: 3,700 images a second

Two cores of a laptop were measured: 114 images a second at 64 pixels are 0.24 TFLOP/s.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from albumlib.course.state import code_of
from albumlib.runtime.progress import spoken

BATCH = {"smoke": 16, "laptop": 16, "gpu": 128}
SUSTAINED = {"smoke": 0.24e12, "laptop": 0.24e12, "gpu": 32e12}  # operations a second
STEP = {64: 2.1e9, 128: 8.7e9}  # operations of a step of `acgan`, an image, by its size
NARROW = {"generator_width": 4, "critic_width": 8}  # a few steps show nothing, whatever the width
LARGE = ("04_wgan_logan", "05_acgan")  # chapters that train at 128 pixels with the gpu profile
DEARER = {"wgan_logan": 2.0, "acgan_wgan_logan": 2.0}  # than a step of `acgan`
TRAININGS = {  # of each chapter: recipe, and its part of the chapter's steps
    "04_wgan_logan": [("wgan_logan", 1.0)],
    "05_acgan": [("acgan", 1.0), ("acgan_wgan_logan", 0.5)],
    "10_track_names": [("acgan", 1.0)],
    "11_lettering": [("acgan", 2.0)],
    "12_popularity_and_time": [("acgan", 4.0)],
}


def profile_settings(profile: str, size: int, start: str | Path = "") -> dict[str, Any]:
    """Settings of a training that belong to the profile and not to the lesson: the widths of the
    networks, unless they are those of a model to `start` with.

    >>> profile_settings("laptop", 128)
    {'generator_width': 8, 'critic_width': 16}
    """
    from albumlib.training import widths

    if profile == "gpu":
        fast = {"precision": "bfloat16", "compile": True, "graphs": True}
        return {"batch_size": BATCH["gpu"], **fast}
    if start:
        return {}
    return NARROW if profile == "smoke" else widths(size)


@dataclass(frozen=True)
class Plan:
    """What a training of a chapter comes to."""

    recipe: str
    steps: int
    images: int
    seconds: float  # as estimated

    def __str__(self) -> str:
        time = spoken(self.seconds)
        return f"{self.recipe}: {self.steps:,} steps, {self.images:,} images, about {time}"


def plans(notebook: Path, profile: str, parameters: Mapping[str, Any]) -> Iterator[Plan]:
    """The trainings of a notebook, as the profile and its parameters have them."""
    steps = parameters.get("steps") or _steps(notebook, profile)
    size = 128 if profile == "gpu" and notebook.stem in LARGE else 64
    for recipe, part in TRAININGS.get(notebook.stem, ()):
        own = max(1, round(part * steps))
        images = own * BATCH[profile]
        work = STEP[size] * DEARER.get(recipe, 1.0)
        yield Plan(recipe, own, images, images * work / SUSTAINED[profile])


def _steps(notebook: Path, profile: str) -> int:
    """What a notebook says itself: `steps = steps or profile_value(profile, smoke=12, ...)`."""
    lines = "\n".join(code_of(notebook)).splitlines()
    said = next((line for line in lines if line.startswith("steps = steps or profile_value")), "0")
    calls = [node for node in ast.walk(ast.parse(said)) if isinstance(node, ast.Call)]
    values = {one.arg: ast.literal_eval(one.value) for call in calls for one in call.keywords}
    return values.get(profile, 0)
