"""Training on a card, where one is at hand: the gpu profile's settings, checkpoints, the CPU's use
of what was made there.
"""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from albumlib.course.profiles import profile_settings
from albumlib.models import load_generator
from albumlib.sampling import latent
from albumlib.training import read_records, recipe, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
SMALL = {"size": 128, "steps": 6, "log_every": 1, "save_every": 3, "sample_every": 6}


@pytest.fixture
def covers():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (256, 128, 128, 3), dtype=np.uint8)
    return images, rng.uniform(-1, 1, (256, 10)).astype(np.float32)


@pytest.mark.parametrize("name", ["acgan", "acgan_wgan_logan"])
def test_the_gpu_profile_trains_and_goes_on(covers, tmp_path, name):
    settings = recipe(name, **SMALL | profile_settings("gpu", 128))
    train(replace(settings, steps=3), *covers, tmp_path, device="cuda")
    train(settings, *covers, tmp_path, device="cuda")
    assert [record["step"] for record in read_records(tmp_path)] == [1, 2, 3, 4, 5, 6]
    model = load_generator(tmp_path / "generator.safetensors")
    drawn = latent.draw(model, latent.latents(model, [1, 2]), covers[1][:2])
    assert drawn.shape == (2, 128, 128, 3) and drawn.std() > 0


def test_a_card_and_a_processor_begin_alike(covers, tmp_path):
    settings = recipe("acgan", **SMALL | {"steps": 2, "batch_size": 16})
    for device in ("cpu", "cuda"):
        train(settings, *covers, tmp_path / device, device=device)
    first = [read_records(tmp_path / device)[0]["critic_loss"] for device in ("cpu", "cuda")]
    assert first[0] == pytest.approx(first[1], rel=1e-2)


@pytest.mark.parametrize("name", ["acgan", "acgan_wgan_logan", "wgan_logan"])
def test_graphs_take_the_steps_that_python_takes(covers, tmp_path, name):
    found = {}
    for graphs in (False, True):
        settings = recipe(name, **SMALL | {"size": 64, "steps": 24, "save_every": 24})
        settings = replace(settings, batch_size=32, penalty_every=2, graphs=graphs)
        train(
            settings,
            covers[0][:, ::2, ::2].copy(),
            covers[1],
            tmp_path / str(graphs),
            device="cuda",
        )
        found[graphs] = [record["critic_loss"] for record in read_records(tmp_path / str(graphs))]
    # Rounding differs by the order of sums, and grows from step to step.
    assert found[True][:4] == pytest.approx(found[False][:4], rel=0.02, abs=0.02)
    assert np.isfinite(found[True]).all() and len(set(found[True])) > 16


def test_the_command_line_trains_on_it(tmp_path, root):
    made = [sys.executable, "-m", "albumlib", "gather", "--albums", "80", "--out", tmp_path]
    for command in (
        made,
        [*made[:3], "clean", tmp_path],
        [*made[:3], "train", tmp_path / "coverset", "--device", "cuda", "--steps", "4",
         "--out", tmp_path / "model"],
    ):  # fmt: skip
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    assert (tmp_path / "model" / "generator.safetensors").exists()
