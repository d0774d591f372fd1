"""Steps from buffers, as CUDA graphs need them, against the same steps without; test_cuda.py runs
the graphs themselves.
"""

import numpy as np
import pytest
import torch

from albumlib.dataset.batches import Batches
from albumlib.models import load_generator
from albumlib.models.checkpoint import TrainingError
from albumlib.runtime.rng import Rng
from albumlib.training import recipe, train
from albumlib.training.captured import Recorded
from albumlib.training.config import TrainingConfig
from albumlib.training.trainer import Trainer

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (48, 32, 32, 3), dtype=np.uint8)
LABELS = RNG.uniform(-1, 1, (48, 10)).astype(np.float32)
SMALL = {"size": 32, "batch_size": 8, "generator_width": 4, "critic_width": 4}
KINDS = {
    "latent steps and penalties by turns": ("acgan_wgan_logan", {"latent_every": 3}),
    "several critic updates": ("wgan_logan", {"critic_steps": 2, "penalty_every": 3}),
    "every random number": (
        "acgan",
        {
            "augment": "flip,shift,color,cutout",
            "label_dropout": 0.3,
            "minibatch_stddev": 4,
            "critic_blocks": "residual",
        },
    ),
    "a schedule": ("acgan", {"schedule": 40, "burn_in": 8, "final_penalty": 0.0}),
}


def trained(name: str, steps: int = 8, **changes) -> tuple[Trainer, list[dict]]:
    config = recipe(name, **SMALL, **changes)
    labels = LABELS if config.labels else None
    trainer = Trainer(config, None if labels is None else torch.from_numpy(labels))
    batches = Batches(IMAGES, labels, np.arange(len(IMAGES)), config.batch_size, config.seed)
    records = [trainer.advance(batches) for _ in range(steps)]
    return trainer, [{key: value.item() for key, value in one.items()} for one in records]


@pytest.mark.parametrize("kind", KINDS)
def test_steps_from_buffers_are_the_steps_without(kind):
    name, changes = KINDS[kind]
    (plain, numbers), (buffered, same) = (
        trained(name, **changes, graphs=graphs) for graphs in (False, True)
    )
    for one, other in zip(numbers, same, strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-6)
    for network in ("ema", "critic"):
        pairs = zip(
            getattr(plain, network).parameters(), getattr(buffered, network).parameters(),
            strict=True,
        )  # fmt: skip
        for weight, again in pairs:
            torch.testing.assert_close(weight, again, rtol=1e-4, atol=1e-5)
    assert len(buffered.steps.kinds) > (kind == "latent steps and penalties by turns")


def test_a_step_that_asks_for_other_numbers_is_an_error():
    recorded = Recorded(torch.device("cpu"))
    draw = lambda update: (torch.zeros(1), None)  # noqa: E731
    recorded.fill(draw, Rng(1), {"rate": 0.5})
    recorded.call(lambda draw, rng, now: {"drawn": rng.rand(2)})
    recorded.fill(draw, Rng(2), {"rate": 0.25})
    assert recorded.numbers["rate"] == 0.25
    with pytest.raises(RuntimeError, match="'rand', 3"):
        recorded.call(lambda draw, rng, now: {"drawn": rng.rand(3)})
    again = recorded.call(lambda draw, rng, now: {"drawn": rng.rand(2)})
    assert torch.equal(again["drawn"], Rng(2).rand(2))


def test_what_changes_within_a_schedule_and_cannot_within_a_graph_is_refused():
    changing = {"schedule": 100, "beta2": 0.9, "final_beta2": 0.99}
    with pytest.raises(TrainingError, match="beta2"):
        TrainingConfig(graphs=True, **changing)
    TrainingConfig(graphs=False, **changing)


def test_coarse_levels_can_be_held_narrow(tmp_path):
    settings = {**SMALL, "generator_width": 8, "generator_limit": 16, "steps": 1}
    train(recipe("acgan", **settings), IMAGES, LABELS, tmp_path)
    model = load_generator(tmp_path)
    widths = [block.convolution.out_channels for block in model.blocks]
    assert widths == [16, 16, 16, 8] and model.to_rgb.in_channels == 8
    later = recipe("acgan", start=tmp_path)
    assert (later.generator_width, later.generator_limit) == (8, 16)
