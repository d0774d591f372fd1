import json
import signal
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from albumlib.dataset.batches import Batches
from albumlib.models import checkpoint, losses, networks
from albumlib.training import config, loop, monitor
from albumlib.training.config import recipe
from albumlib.training.loop import (
    TrainingConfig,
    TrainingDiverged,
    TrainingError,
    read_records,
    train,
)
from albumlib.training.monitor import SPACING, Monitor
from albumlib.training.trainer import Trainer

SMALL = {
    "size": 32,
    "latent": 8,
    "generator_width": 4,
    "critic_width": 8,
    "batch_size": 8,
    "log_every": 1,
}


def covers_that_say_their_label(count=256, size=32, seed=0):
    """Plain covers whose red says the first feature and whose blue the fourth."""
    rng = np.random.default_rng(seed)
    labels = rng.uniform(-1, 1, (count, 10)).astype(np.float32)
    pixels = rng.normal(128, 12, (count, size, size, 3))
    pixels[..., 0] += 80 * labels[:, 0, None, None]
    pixels[..., 2] += 80 * labels[:, 3, None, None]
    return pixels.clip(0, 255).astype(np.uint8), labels


def weights(generator):
    return torch.cat([weight.flatten() for weight in generator.state_dict().values()])


@pytest.fixture
def double(monkeypatch):
    """Everything in double precision: what algebra says is equal is so on every processor."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("critic_loss", config.CRITIC_LOSSES)
def test_interrupted_run_ends_with_the_same_bits(tmp_path, critic_loss):
    images, labels = covers_that_say_their_label()
    config = TrainingConfig(labels=True, steps=7, critic_loss=critic_loss, critic_steps=2, **SMALL)
    whole = train(config, images, labels, tmp_path / "whole")

    def interrupt(record):
        if record["step"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, images, labels, tmp_path / "parts", progress=interrupt)
    resumed = train(config, images, labels, tmp_path / "parts")
    assert torch.equal(weights(whole), weights(resumed))

    def records(name):
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        return [{**json.loads(line), "images_per_s": 0} for line in lines]

    assert records("whole") == records("parts")


def test_ctrl_c_within_a_step_waits_for_its_end(tmp_path, monkeypatch):
    images, _ = covers_that_say_their_label()
    config = TrainingConfig(steps=5, **SMALL)
    whole = train(config, images, None, tmp_path / "whole")
    update = Trainer._generator_step

    def press(trainer, *parts):  # the critic of this step has learned, the generator has not
        if trainer.step == 2:
            signal.raise_signal(signal.SIGINT)
        return update(trainer, *parts)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_generator_step", press)
        with pytest.raises(KeyboardInterrupt):
            train(config, images, None, tmp_path / "parts")
    assert checkpoint.read_tensors(tmp_path / "parts" / "training.safetensors")[1]["step"] == 3
    resumed = train(config, images, None, tmp_path / "parts")
    assert torch.equal(weights(whole), weights(resumed))


def test_killed_between_checkpoints_the_run_repeats_what_was_lost(tmp_path):
    images, labels = covers_that_say_their_label()
    config = TrainingConfig(labels=True, steps=7, save_every=3, **SMALL)
    whole = train(config, images, labels, tmp_path / "whole")

    def die(record):
        if record["step"] == 5:
            raise RuntimeError("the machine went down")

    with pytest.raises(RuntimeError):
        train(config, images, labels, tmp_path / "parts", progress=die)
    assert torch.equal(weights(whole), weights(train(config, images, labels, tmp_path / "parts")))
    steps = [
        json.loads(line)["step"]
        for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == [1, 2, 3, 4, 5, 6, 7]


def test_out_of_time_the_last_step_is_recorded_and_shown(tmp_path):
    images, _ = covers_that_say_their_label()
    config = TrainingConfig(steps=500, max_minutes=1e-6, **SMALL | {"log_every": 100})
    train(config, images, None, tmp_path)
    assert [record["step"] for record in read_records(tmp_path)] == [1]
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["000001.png"]


def test_a_run_that_ended_by_time_is_finished_when_resumed(tmp_path):
    images, _ = covers_that_say_their_label()
    config = TrainingConfig(steps=500, max_minutes=1e-6, **SMALL)
    ended = train(config, images, None, tmp_path)
    assert torch.equal(weights(ended), weights(train(config, images, None, tmp_path)))
    assert [record["step"] for record in read_records(tmp_path)] == [1]
    longer = replace(config, steps=3, max_minutes=60)
    train(longer, images, None, tmp_path)
    assert read_records(tmp_path)[-1]["step"] == 3, "with more time it goes on"


def test_a_small_run_learns_to_obey(tmp_path):
    """Red follows the first feature, blue the fourth; the others have nothing to follow."""
    images, labels = covers_that_say_their_label(512)
    config = TrainingConfig(
        labels=True, steps=150, latent_method="off", **{**SMALL, "batch_size": 16}
    )
    generator = train(config, images, labels, tmp_path)
    asked = torch.from_numpy(labels[:200])
    z = networks.draw_latents(200, 8, torch.Generator().manual_seed(1))
    shown = networks.to_pixels(generator(z, asked)).mean((1, 2))
    correlation = np.corrcoef(np.c_[labels[:200], shown], rowvar=False)[:10, 10:]
    assert correlation[0, 0] > 0.7 and correlation[3, 2] > 0.7
    assert np.abs(correlation[5:, 0]).max() < 0.4


def test_checkpoint_draws_the_same_covers(tmp_path):
    images, _ = covers_that_say_their_label()
    generator = train(TrainingConfig(steps=2, **SMALL), images, None, tmp_path)
    loaded = loop.load_generator(tmp_path)
    z = torch.rand(3, 8)
    assert torch.equal(generator(z), loaded(z))
    assert (tmp_path / "samples" / "000002.png").exists()


MODERN = {
    "generator_residual": True, "generator_noise": True, "critic_blocks": "folded",
    "minibatch_stddev": 4,
}  # fmt: skip


@pytest.mark.parametrize("precision", config.PRECISIONS)
def test_residual_blocks_and_noise_train_resume_and_load(tmp_path, precision):
    images, labels = covers_that_say_their_label()
    settings = TrainingConfig(
        labels=True, steps=4, penalty_every=2, precision=precision, latent_method="off",
        **SMALL, **MODERN,
    )  # fmt: skip
    whole = train(settings, images, labels, tmp_path / "whole")
    train(replace(settings, steps=2), images, labels, tmp_path / "parts")
    resumed = train(settings, images, labels, tmp_path / "parts")
    assert torch.equal(weights(whole), weights(resumed))
    assert all(grain.abs().max() > 0 for name, grain in whole.named_parameters() if "grain" in name)
    z, asked = torch.rand(3, 8), torch.from_numpy(labels[:3])
    assert torch.equal(whole(z, asked), loop.load_generator(tmp_path / "whole")(z, asked))


def test_a_checkpoint_under_former_names_is_read(tmp_path):
    images, labels = covers_that_say_their_label()
    settings = TrainingConfig(labels=True, steps=2, **SMALL)
    train(settings, images, labels, tmp_path)
    path = tmp_path / "training.safetensors"
    tensors, about = checkpoint.read_tensors(path)
    former = {name.replace(".auxiliary.", ".reading."): value for name, value in tensors.items()}
    assert former.keys() != tensors.keys()
    checkpoint.write_tensors(path, former, about)
    again, _ = checkpoint.read_tensors(path)
    assert torch.equal(again["critic.auxiliary.weight"], tensors["critic.auxiliary.weight"])
    train(replace(settings, steps=3), images, labels, tmp_path)
    assert read_records(tmp_path)[-1]["step"] == 3


@pytest.mark.usefixtures("double")
def test_one_call_scores_real_and_fake_as_two_do():
    """Groups of the standard deviation stay among their own, and R1 + R2 is twice the mean."""
    torch.manual_seed(0)
    critic = networks.Critic(32, 10, 4, stddev_group=4)
    real, fake = torch.randn(2, 8, 3, 32, 32)
    labels = torch.rand(8, 10)
    one, _ = critic(torch.cat([real, fake]), torch.cat([labels, labels]))
    torch.testing.assert_close(one, torch.cat([critic(x, labels)[0] for x in (real, fake)]))
    trainer = Trainer(TrainingConfig(labels=True, minibatch_stddev=4, **SMALL), labels)
    trainer.critic = critic
    apart = sum(
        losses.zero_centred_penalty(lambda x: critic(x, labels)[0], x) for x in (real, fake)
    )
    torch.testing.assert_close(trainer._penalty(real, fake, labels, None), apart)


@pytest.mark.parametrize("name", config.RECIPES)
def test_recipes_are_sound(name):
    assert config.recipe(name, steps=5).steps == 5
    with pytest.raises(TrainingError, match="unknown recipe"):
        config.recipe("borscht")


def test_average_lags_behind_the_weights(tmp_path):
    images, _ = covers_that_say_their_label()
    trainer = Trainer(TrainingConfig(**SMALL, ema_halflife=10**9), None)
    before = weights(trainer.ema)
    trainer.step = 10**6  # past the quick start
    batches = loop.Batches(images, None, np.arange(len(images)), 8, 0, "cpu")
    trainer.advance(batches)
    moved = (weights(trainer.generator) - before).abs().max()
    assert 0 < (weights(trainer.ema) - before).abs().max() < 1e-3 * moved


def test_divergence_stops_with_a_sentence_and_keeps_the_checkpoint(tmp_path):
    images, labels = covers_that_say_their_label()
    config = TrainingConfig(labels=True, steps=2, **SMALL)
    train(config, images, labels, tmp_path)
    good = (tmp_path / "training.safetensors").read_bytes()
    labels = labels.copy()
    labels[:] = np.inf  # known to nobody, poison to everybody
    with pytest.raises(TrainingDiverged, match="diverged at step 3"):
        images = images.copy()
        trainer = Trainer(TrainingConfig(steps=9, **SMALL), None)
        trainer.step = 2
        with torch.no_grad():
            trainer.critic.score.weight.fill_(torch.nan)
        batches = loop.Batches(images, None, np.arange(len(images)), 8, 0, "cpu")
        loop._finish(trainer, batches, tmp_path, None)
    assert (tmp_path / "training.safetensors").read_bytes() == good


def test_missing_labels_do_no_harm(tmp_path):
    images, labels = covers_that_say_their_label()
    labels[::2, 3] = np.nan
    labels[:, 7] = np.nan
    generator = train(TrainingConfig(labels=True, steps=3, **SMALL), images, labels, tmp_path)
    assert weights(generator).isfinite().all()


def test_data_that_does_not_fit_is_refused(tmp_path):
    images, labels = covers_that_say_their_label()
    with pytest.raises(TrainingError, match="32x32x3, but size=64"):
        train(TrainingConfig(size=64), images, None, tmp_path)
    with pytest.raises(TrainingError, match="cannot fill a batch"):
        train(TrainingConfig(**SMALL), images, None, tmp_path, rows=np.arange(3))
    with pytest.raises(TrainingError, match="needs labels"):
        nothing = np.full_like(labels, np.nan)
        train(TrainingConfig(labels=True, **SMALL), images, nothing, tmp_path)


def test_checkpoint_of_another_run_is_refused(tmp_path):
    images, _ = covers_that_say_their_label()
    train(TrainingConfig(steps=1, **SMALL), images, None, tmp_path)
    with pytest.raises(TrainingError, match="latent=8, not 16"):
        train(TrainingConfig(steps=2, **{**SMALL, "latent": 16}), images, None, tmp_path)


def test_damaged_checkpoint_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="no checkpoint"):
        checkpoint.load_generator(tmp_path)
    (tmp_path / "generator.safetensors").write_bytes(b"not tensors")
    with pytest.raises(TrainingError, match="not a checkpoint"):
        checkpoint.load_generator(tmp_path)


def test_clipping_bounds_every_weight(tmp_path):
    images, _ = covers_that_say_their_label()
    config = TrainingConfig(critic_loss="wgan-clip", **SMALL)
    trainer = Trainer(config, None)
    trainer.advance(loop.Batches(images, None, np.arange(len(images)), 8, 0, "cpu"))
    assert all(weight.abs().max() <= 0.01 for weight in trainer.critic.parameters())


def test_covers_survive_the_way_to_pixels_and_back():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    assert np.array_equal(networks.to_pixels(networks.to_covers(pixels)), pixels)


def test_a_collapse_is_noticed_and_variety_is_not_taken_for_one(tmp_path):
    images, labels = covers_that_say_their_label()
    config = TrainingConfig(labels=True, **SMALL)
    trainer = Trainer(config, torch.from_numpy(labels))
    batches = Batches(images, labels, np.arange(len(images)), config.batch_size, config.seed)
    (tmp_path / "samples").mkdir()
    monitor = Monitor(trainer, batches, tmp_path)
    others = torch.from_numpy(covers_that_say_their_label(seed=1)[0]).permute(0, 3, 1, 2)
    trainer.ema = lambda z, told: (others / 127.5 - 1)[: len(z)]
    monitor.look()
    assert monitor.news() == {}  # too early to tell
    trainer.step = SPACING
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor.look()
    assert monitor.news()["coverage"] > 0.5 and monitor.news() == {}
    trainer.ema = lambda z, told: torch.zeros(len(z), 3, 32, 32)
    trainer.step = 2 * SPACING
    with pytest.warns(loop.CollapseWarning, match="may be collapsing"):
        monitor.look()
    assert monitor.news()["coverage"] < 0.2


def test_coverage_is_recorded_where_samples_are(tmp_path, monkeypatch):
    monkeypatch.setattr(monitor, "SPACING", 3)
    images, _ = covers_that_say_their_label()
    config = TrainingConfig(steps=6, sample_every=3, **SMALL)
    train(config, images, None, tmp_path)
    assert [record["step"] for record in read_records(tmp_path) if "coverage" in record] == [3, 6]


def test_half_of_the_bits_draws_nearly_the_same_and_scores_in_all_of_them(tmp_path):
    images, labels = covers_that_say_their_label()
    made = {}
    for precision in config.PRECISIONS:
        setting = TrainingConfig(labels=True, steps=3, precision=precision, **SMALL)
        made[precision] = train(setting, images, labels, tmp_path / precision)
        records = read_records(tmp_path / precision)
        assert all(np.isfinite(record["critic_loss"]) for record in records)
    z, asked = torch.rand(4, 8), torch.from_numpy(labels[:4])
    full, half = (generator(z, asked) for generator in made.values())
    assert half.dtype == full.dtype == torch.float32
    assert not torch.equal(full, half) and (full - half).abs().mean() < 0.02


def test_a_run_of_an_older_version_goes_on(tmp_path):
    images, _ = covers_that_say_their_label()
    short = TrainingConfig(steps=2, **SMALL)
    train(short, images, None, tmp_path)
    tensors, about = checkpoint.read_tensors(tmp_path / "training.safetensors")
    del about["config"]["precision"]  # as before there was a choice
    checkpoint.write_tensors(tmp_path / "training.safetensors", tensors, about)
    train(replace(short, steps=3), images, None, tmp_path)
    with pytest.raises(TrainingError, match="precision='float32', not 'bfloat16'"):
        train(replace(short, precision="bfloat16"), images, None, tmp_path)


def test_the_latent_step_never_moves_the_labels():
    """A song does not change because a critic would like it to."""
    images, labels = covers_that_say_their_label(count=8)
    settings = TrainingConfig(
        labels=True, steps=1, latent_every=1, latent_steps=2, label_noise=0.0, **SMALL
    )
    trainer = Trainer(settings, torch.from_numpy(labels))
    conditions = []
    trainer.generator.register_forward_pre_hook(lambda _, given: conditions.append(given[1]))
    batches = loop.Batches(images, labels, np.arange(8), 8, settings.seed)
    trainer.advance(batches)
    assert len(conditions) == 6  # for each network, two latent steps and the cover that is scored
    for asked in conditions:
        assert torch.equal(asked, batches.batch(0)[1]) and not asked.requires_grad


def test_compiled_networks_train_alike(monkeypatch):
    """As far as the graphs of both passes, which our code decides about: making machine code of
    them is torch's own matter, and takes a C++ compiler a minute."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    images, labels = covers_that_say_their_label(count=32)
    weights = []
    for compiled in (False, True):
        config = recipe("acgan", compile=compiled, penalty_every=2, **SMALL)
        trainer = Trainer(config, torch.from_numpy(labels))
        batches = Batches(images, labels, np.arange(32), config.batch_size, config.seed)
        for _ in range(2):  # with a penalty and without
            trainer.advance(batches)
        weights.append(torch.cat([w.detach().flatten() for w in trainer.generator.parameters()]))
    apart = (weights[0] - weights[1]).abs()  # a gradient near zero may be rounded to any sign
    assert apart.max() <= 2.2 * 2 * config.generator_rate
    assert apart.mean() < 0.01 * config.generator_rate
