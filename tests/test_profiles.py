"""What a profile comes to: read off the notebooks, and large enough for a card of today."""

import pytest

from albumlib.course import profiles
from albumlib.course.planning import find_notebooks
from albumlib.course.profiles import plans, profile_settings
from albumlib.models.networks import Critic, Generator
from albumlib.training import recipe

COUNTED = profiles.TRAININGS


@pytest.mark.parametrize("notebook", find_notebooks(), ids=lambda path: path.stem)
@pytest.mark.parametrize("profile", ["smoke", "laptop", "gpu"])
def test_steps_are_those_of_the_notebook(notebook, profile):
    found = list(plans(notebook, profile, {}))
    assert bool(found) == (notebook.stem in COUNTED)
    assert all(plan.steps > 0 and plan.seconds > 0 for plan in found)
    [*given] = plans(notebook, profile, {"steps": 10})
    assert [plan.steps for plan in given] == [
        10 * part for _, part in COUNTED.get(notebook.stem, [])
    ]


def test_the_gpu_profile_is_large_enough_for_a_card():
    for notebook in find_notebooks(["4", "5"]):
        for plan in plans(notebook, "gpu", {}):
            assert plan.images >= 5_000_000, plan
    settings = recipe("acgan", size=128, **profile_settings("gpu", 128))
    assert settings.batch_size >= 128 and settings.precision == "bfloat16"
    assert settings.compile and settings.graphs


def test_the_laptop_profile_takes_a_quarter_of_an_hour():
    every = [plan for notebook in find_notebooks() for plan in plans(notebook, "laptop", {})]
    first = [plan for plan in every if "wgan" in plan.recipe or plan.steps == 1500][:3]
    assert 5 * 60 < sum(plan.seconds for plan in first) < 15 * 60


@pytest.mark.parametrize("size", [64, 128])
def test_the_arithmetic_beside_the_estimate(size):
    """The operations of a forward pass, as torch counts them."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    generator, critic = Generator(size, 64, labels=10), Critic(size, labels=10)
    rows = torch.zeros(1, 10)
    with torch.no_grad():
        with FlopCounterMode(display=False) as drawn:
            covers = generator(torch.zeros(1, 64), rows)
        with FlopCounterMode(display=False) as scored:
            critic(covers, rows)
    step = 10.5 * scored.get_total_flops() + 3 * drawn.get_total_flops()
    assert step == pytest.approx(profiles.STEP[size], rel=0.05)


@pytest.mark.parametrize("notebook", find_notebooks(), ids=lambda path: path.stem)
def test_no_training_of_a_profile_ends_by_the_clock(notebook):
    """`minutes` is there for those who ask for it, and off."""
    text = notebook.read_text(encoding="utf-8")
    assert "minutes = minutes or" not in text
    assert text.count("minutes: float = ") == text.count("minutes: float = 0.0")
