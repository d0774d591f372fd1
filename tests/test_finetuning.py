import json

import numpy as np
import pytest

from albumlib.models.checkpoint import TrainingError, load_generator, read_networks
from albumlib.studies import finetuning
from albumlib.studies.finetuning import best, fine_tune, read_history, style_config
from albumlib.training import loop
from albumlib.training.config import recipe

SMALL = {"size": 32, "batch_size": 8, "generator_width": 4, "critic_width": 4, "latent": 8}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A conditional model and 64 covers of another style: bright ones."""
    folder = tmp_path_factory.mktemp("base")
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 90, (64, 32, 32, 3), dtype=np.uint8)
    labels = rng.uniform(-1, 1, (64, 10)).astype(np.float32)
    loop.train(recipe("acgan", **SMALL, steps=30), dark, labels, folder)
    bright = rng.integers(160, 256, (64, 32, 32, 3), dtype=np.uint8)
    return folder, bright, labels


SPLIT = {"rows": np.arange(40), "heldout": np.arange(40, 64)}


def config(folder, **changes):
    return style_config(
        folder, **{**{k: SMALL[k] for k in ("batch_size", "critic_width")}, **changes}
    )


def test_it_comes_nearer_and_keeps_the_nearest(base, tmp_path):
    folder, covers, labels = base
    setting = config(folder, steps=120, generator_rate=3e-3, critic_rate=3e-3, augment="")
    model = fine_tune(folder, covers, labels, tmp_path, config=setting, every=30, **SPLIT)
    history = read_history(tmp_path)
    assert [one["step"] for one in history][:2] == [0, 30]
    assert best(history)["kid"] < 0.7 * history[0]["kid"], [one["kid"] for one in history]
    kept = load_generator(tmp_path).state_dict()
    assert all((kept[name] == weight).all() for name, weight in model.state_dict().items())


def test_interrupted_it_goes_on_to_the_same_end(base, tmp_path):
    folder, covers, labels = base

    def run(name, progress=None):
        setting = config(folder, steps=6, log_every=2)
        fine_tune(
            folder, covers, labels, tmp_path / name, config=setting, every=3, progress=progress,
            **SPLIT,
        )  # fmt: skip
        return read_history(tmp_path / name)

    def stop(record):
        if record["step"] == 4:
            raise KeyboardInterrupt

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("parts", stop)
    assert [one["step"] for one in read_history(tmp_path / "parts")] == [0, 3]
    assert run("parts") == whole


def test_without_labels_what_labels_do_stays_as_it_was(base, tmp_path):
    folder, covers, _ = base
    before = load_generator(folder)
    fine_tune(folder, covers, None, tmp_path, config=config(folder, steps=4), every=4, **SPLIT)
    after = load_generator(tmp_path / "training")
    label_weights = before.stem.weight[:, before.latent :], after.stem.weight[:, after.latent :]
    assert (label_weights[0] - label_weights[1]).abs().max() < 1e-6
    assert not (before.stem.bias == after.stem.bias).all()


def test_other_covers_choose_the_checkpoint_than_those_that_give_the_numbers(base, tmp_path):
    folder, covers, labels = base
    validation, test = np.arange(30, 47), np.arange(47, 64)
    changes = {key: SMALL[key] for key in ("batch_size", "critic_width")}

    def row(covers, name):
        return finetuning.how_few(
            folder, covers, labels, tmp_path / name, counts=[24], validation=validation, test=test,
            steps=10, generator_rate=3e-3, critic_rate=3e-3, **changes,
        ).iloc[0]  # fmt: skip

    once = row(covers, "once")
    assert once["kid_validation"] == best(read_history(tmp_path / "once" / "24_0"))["kid"]
    other = covers.copy()
    other[test] = 255 - other[test]
    inverted = row(other, "inverted")
    assert inverted["step"] == once["step"] and inverted["kid_validation"] == once["kid_validation"]
    assert inverted["kid"] != once["kid"] and inverted["kid_start"] != once["kid_start"]


def test_early_layers_of_the_critic_stay(base, tmp_path):
    folder, covers, labels = base
    frozen = config(folder, steps=4, freeze_critic=2)
    fine_tune(folder, covers, labels, tmp_path, config=frozen, every=4, **SPLIT)
    before, after = (read_networks(path)[1] for path in (folder, tmp_path / "training"))
    same = {name: bool((before[name] == after[name]).all()) for name in before if "blocks" in name}
    early = ("blocks.0.", "blocks.1.")
    assert all(still == name.startswith(early) for name, still in same.items())


def test_a_model_that_knows_layouts_learns_a_style_without_them(base, tmp_path):
    _, covers, labels = base
    layouts = np.where(np.arange(15) == np.arange(64)[:, None] % 15, 1, -1)
    rows = np.concatenate([labels, layouts], axis=1)
    loop.train(recipe("acgan", **SMALL, extras="layout", steps=2), covers, rows, tmp_path / "base")
    setting = style_config(tmp_path / "base", batch_size=8, steps=2)
    model = fine_tune(
        tmp_path / "base", covers, labels, tmp_path / "s", config=setting, every=2, **SPLIT
    )
    assert model.labels == 25 and len(read_history(tmp_path / "s")) == 2
    with pytest.raises(TrainingError, match="more than features and layouts"):
        loop.train(recipe("wgan_logan", **SMALL, steps=1, prior="quantum", qubits=3), covers, None,
                   tmp_path / "quantum")  # fmt: skip
        style_config(tmp_path / "quantum")


def test_the_best_evaluation_does_not_copy():
    found = [
        {"step": 0, "kid": 1.0, "copied": 0.1},
        {"step": 1, "kid": 0.4, "copied": 0.15},
        {"step": 2, "kid": 0.1, "copied": 0.9},
    ]
    assert best(found)["step"] == 1
    assert json.loads(json.dumps(found)) == found


def test_too_few_or_of_another_size_is_told(base, tmp_path):
    folder, covers, labels = base
    few = {"rows": np.arange(10), "heldout": np.arange(10, 64)}
    with pytest.raises(TrainingError, match="too few for a style"):
        fine_tune(folder, covers, labels, tmp_path, config=config(folder), **few)
    with pytest.raises(TrainingError, match="clean them with --size 32"):
        fine_tune(folder, covers[:, :16, :16], labels, tmp_path, config=config(folder), **SPLIT)
    with pytest.raises(TrainingError, match="there is no checkpoint"):
        finetuning.style_config(tmp_path / "nowhere.safetensors")
