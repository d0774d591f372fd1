"""Several processes of one training, as torchrun starts them."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from albumlib.models.checkpoint import TrainingError, read_tensors
from albumlib.runtime.rng import Rng
from albumlib.training import loop
from albumlib.training.config import recipe
from albumlib.training.distributed import Distributed, DistributedError

TRAIN = """
import json, sys
import numpy as np
import torch
from albumlib.training import loop
from albumlib.training.config import recipe
out, changes = sys.argv[1], json.loads(sys.argv[2])
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
labels = rng.uniform(-1, 1, (40, 10)).astype(np.float32)
labels[rng.random(labels.shape) < 0.3] = np.nan
tell = lambda record: print(json.dumps(record), flush=True)
for precision in sys.argv[3:] or [""]:
    if precision == "double":
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = torch.Tensor.double
    folder = f"{out}/{precision}"
    loop.train(recipe(**changes), images, labels, folder, device="cpu", progress=tell)
"""
SMALL = {
    "size": 32, "batch_size": 8, "generator_width": 4, "critic_width": 4, "latent": 8,
    "steps": 5, "log_every": 1, "sample_every": 100,
}  # fmt: skip
FULL = {
    **SMALL, "name": "acgan_wgan_logan", "augment": "shift,flip,color", "minibatch_stddev": 4,
    "latent_every": 1,
}  # fmt: skip
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(TRAIN)
    return path


def run(command, out, changes, root, *options):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    return subprocess.run(
        [*map(str, command), str(out), json.dumps(changes), *options],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.fixture
def here(monkeypatch, capsys):
    """Runs the script in this process, on one thread, and gives what it prints: to start Python
    and torch takes longer than these trainings."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.float)  # "double" sets another
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def run_here(out, changes, *options):
        monkeypatch.setattr(sys, "argv", ["train.py", str(out), json.dumps(changes), *options])
        exec(compile(TRAIN, "train.py", "exec"), {})
        return capsys.readouterr().out

    yield run_here
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(threads)


def weights(folder):
    tensors, _ = read_tensors(folder / "training.safetensors")
    return {name: tensor for name, tensor in tensors.items() if "optimiser" not in name}


# That two processes take the steps of one is algebra, tested in double precision. In single
# precision Adam turns the rounding of a gradient near zero into a step of any sign, so that each
# step may move a weight apart by twice the learning rate, whatever the processor.
PRECISIONS = {"single": 2 * SMALL["steps"] * 5e-4, "double": 1e-10}


def test_two_processes_take_the_steps_of_one(script, here, tmp_path, root):
    alone = here(tmp_path / "one", FULL, *PRECISIONS).splitlines()
    both = run([*TORCHRUN, 2, script], tmp_path / "two", FULL, root, *PRECISIONS)
    assert both.returncode == 0, both.stderr
    both = both.stdout.splitlines()
    assert len(both) == len(alone) == 2 * SMALL["steps"]  # only one of them reports
    for last, (precision, allowed) in zip((4, 9), PRECISIONS.items(), strict=True):
        one, two = (weights(tmp_path / name / precision) for name in ("one", "two"))
        assert one.keys() == two.keys()
        assert max((one[name] - two[name]).abs().max() for name in one) < allowed
        first, second = (json.loads(lines[last])["auxiliary_error"] for lines in (alone, both))
        assert first == pytest.approx(second, abs=10 * allowed)


def test_what_cannot_be_shared_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "join", lambda device: (Distributed(0, 3), "cpu"))
    images = np.zeros((40, 32, 32, 3), np.uint8)
    with pytest.raises(TrainingError, match="cannot be shared among 3 processes"):
        loop.train(recipe("wgan_logan", **SMALL), images, None, tmp_path)


def test_killed_at_a_random_step_it_ends_as_if_it_had_not_been(script, here, tmp_path, root):
    changes = {**FULL, "steps": 12, "save_every": 3}
    here(tmp_path / "whole", changes)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    command = [sys.executable, str(script), str(tmp_path / "killed"), json.dumps(changes)]
    for stop in np.random.default_rng(5).integers(3, 11, 2).tolist():
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for line in child.stdout:
            if json.loads(line)["step"] >= stop:
                child.send_signal(signal.SIGKILL)
                break
        child.stdout.close()
        child.wait()
    here(tmp_path / "killed", changes)
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_when_one_process_is_killed_the_run_ends_and_leaves_a_checkpoint(script, tmp_path, root):
    changes = {**FULL, "steps": 2000, "save_every": 2}
    tell = "import os; open(f'{os.environ.get(\"RANK\")}.pid', 'w').write(str(os.getpid()))"
    script.write_text(tell + TRAIN)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    command = [*TORCHRUN, "2", str(script), str(tmp_path / "run"), json.dumps(changes)]
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        for line in child.stdout:  # both are under way, for each step needs both
            if json.loads(line)["step"] == 3:
                os.kill(int((tmp_path / "1.pid").read_text()), signal.SIGKILL)
                break
        child.stdout.read()
    assert child.returncode != 0
    assert 2 <= read_tensors(tmp_path / "run" / "training.safetensors")[1]["step"] < 2000


def test_a_lost_process_and_a_folder_that_is_not_shared_are_told(monkeypatch, tmp_path):
    utils = pytest.importorskip("accelerate.utils")

    def closed(*_):
        raise RuntimeError("Connection closed by peer")

    with monkeypatch.context() as patch, pytest.raises(DistributedError, match="another process"):
        patch.setattr(utils, "reduce", closed)
        Distributed(0, 2).mean(torch.zeros(()))
    monkeypatch.setattr(loop, "join", lambda device: (Distributed(1, 2), "cpu"))
    monkeypatch.setattr(
        Distributed, "mean", lambda self, value: value + 3
    )  # the other one has step 6
    images = np.zeros((40, 32, 32, 3), np.uint8)
    with pytest.raises(TrainingError, match="a disk that all of them share"):
        loop.train(recipe("wgan_logan", **SMALL), images, None, tmp_path)


def test_the_parts_of_all_processes_make_up_what_one_would_draw():
    whole = Rng(3).randn(6, 4)
    parts = [Rng(3, index, 3).randn(2, 4) for index in range(3)]
    assert torch.equal(whole, torch.cat(parts))
    assert torch.equal(Rng(3, 0, 2).whole(5), Rng(3, 1, 2).whole(5))
