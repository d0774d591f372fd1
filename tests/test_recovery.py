import numpy as np
import pandas as pd
import pytest

from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation import instruments, label_recovery
from albumlib.evaluation.extractor import load_extractor
from albumlib.features import NAMES
from albumlib.models.checkpoint import write_tensors

PIXELS = np.random.default_rng(1).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)


def test_recovery_of_known_cases():
    asked = np.random.default_rng(0).normal(size=(500, 3))
    read = np.c_[asked[:, 0], -asked[:, 1], np.full(500, asked[:, 2].mean())]
    found = label_recovery.label_recovery(read, asked)
    assert found.correlation == pytest.approx([1, -1, 0])
    assert found.r2 == pytest.approx([1, 1 - 4 * (asked[:, 1] ** 2).sum()
        / ((asked[:, 1] - asked[:, 1].mean()) ** 2).sum(), 0])  # fmt: skip


def test_recovery_leaves_missing_labels_out():
    asked = np.random.default_rng(0).normal(size=(100, 2))
    read = asked.copy()
    asked[:30, 0], read[:30, 0] = np.nan, 99
    asked[:, 1] = np.nan
    found = label_recovery.label_recovery(read, asked)
    assert found.r2[0] == 1
    assert np.isnan([found.r2[1], found.correlation[1]]).all()


@pytest.mark.parametrize("absent", [np.nan, 0.5])
def test_features_that_are_absent_are_never_recoverable(absent):
    """Unknown, or one value throughout: five features of which nothing can be read."""
    rng = np.random.default_rng(0)
    asked = rng.uniform(-1, 1, (50, 10))
    asked[:, 5:] = absent
    found = label_recovery.label_recovery(rng.uniform(-1, 1, (50, 10)), asked)
    assert found.absent.tolist() == [False] * 5 + [True] * 5
    assert found.recoverable().sum() == 1 and not found.recoverable()[5:].any()
    assert found.mean(~found.absent) == found.mean(np.ones(10, bool))
    assert np.isfinite(found.mean(found.recoverable())).all()


def test_where_every_feature_is_absent_nothing_is_recoverable():
    found = label_recovery.label_recovery(np.zeros((9, 10)), np.full((9, 10), np.nan))
    assert not found.recoverable().any() and np.isnan(found.mean(found.recoverable())).all()


def read_with(correlations: list[float], count: int) -> label_recovery.Recovery:
    """What a regressor finds that predicts each feature with a known correlation."""
    rng, rho = np.random.default_rng(4), np.array(correlations)
    asked = rng.normal(size=(count, len(rho)))
    noise = np.sqrt(1 - rho**2) * rng.normal(size=asked.shape)
    return label_recovery.label_recovery(rho**2 * asked + rho * noise, asked)


@pytest.mark.parametrize(
    ("correlations", "shown", "words"),
    [
        ([0.9, 0.25, 0.0], [True, False, False], "can be expected to follow"),
        ([0.2, 0.25, 0.0], [True, True, False], "expect a tendency"),
        ([0.0, 0.0, 0.0], None, "nothing of their music"),
    ],
)
def test_on_covers_that_show_little_only_what_is_beyond_its_interval_counts(
    correlations, shown, words
):
    found = read_with(correlations, 1500)
    assert words in found.promise()
    assert found.recoverable().tolist() == shown if shown else found.recoverable().sum() == 1


def test_a_ridge_regression_finds_what_few_covers_show():
    """Lightness with noise, on 200 covers: R² near the half that is there; the label that nobody
    knows is left alone."""
    rng = np.random.default_rng(5)
    shade = rng.uniform(0, 200, 400)
    pixels = (shade[:, None, None, None] + rng.integers(0, 40, (400, 32, 32, 3))).astype(np.uint8)
    noise = shade.std() * rng.normal(size=400)
    labels = np.c_[shade + noise, np.full(400, np.nan), shade].astype(np.float32)
    labels[:50, 2] = np.nan
    regressor = label_recovery.ridge_regressor(pixels[:300], labels[:300], load_extractor())
    read = label_recovery.predict_labels(regressor, pixels[300:])
    found = label_recovery.label_recovery(read, labels[300:])
    assert 0.3 < found.r2[0] < 0.7 and found.r2[2] > 0.95
    assert np.isfinite(read).all() and found.absent.tolist() == [False, True, False]


@pytest.mark.parametrize(("shown", "kind"), [(True, "LabelRegressor"), (False, "RidgeRegressor")])
def test_covers_that_show_nothing_get_the_ridge_regression(monkeypatch, shown, kind):
    monkeypatch.setattr(label_recovery, "strongest", load_extractor)
    rng = np.random.default_rng(6)
    shade = rng.uniform(0, 200, 200)
    pixels = (shade[:, None, None, None] + rng.integers(0, 40, (200, 32, 32, 3))).astype(np.uint8)
    table = pd.DataFrame({name: rng.random(200) for name in NAMES}).assign(
        energy=shade / 200 if shown else rng.random(200), split=["train", "train", "validation"]
        * 66 + ["test", "test"],
    )  # fmt: skip
    coverset = CoverSet(pixels, table, table, {})
    assert type(instruments.regressor_for(coverset, epochs=1)).__name__ == kind


def test_the_same_label_always_is_no_recovery():
    asked = np.linspace(-1, 1, 9)[:, None]
    found = label_recovery.label_recovery(np.full((9, 1), 1.0), asked)
    assert found.correlation[0] == 0 and found.r2[0] < -1


def test_shuffled_control_is_near_zero():
    asked = np.random.default_rng(0).normal(size=(2000, 4))
    control = label_recovery.shuffled_recovery(asked, asked)
    assert np.abs(control.correlation).max() < 0.08
    assert (control.r2 == control.correlation**2).all()


def test_regressor_learns_what_is_there_and_nothing_else():
    rng = np.random.default_rng(3)
    labels = rng.uniform(-1, 1, (900, 10)).astype(np.float32)
    pixels = rng.normal(128, 15, (900, 32, 32, 3))
    pixels[..., 1] += 60 * labels[:, 2, None, None]  # green everywhere
    pixels[:, :16] += 40 * labels[:, 6, None, None, None]  # light in the upper half
    pixels = pixels.clip(0, 255).astype(np.uint8)
    labels[::5, 2] = np.nan
    regressor = label_recovery.train_label_regressor(pixels[:700], labels[:700], epochs=6)
    found = label_recovery.label_recovery(
        label_recovery.predict_labels(regressor, pixels[700:]), labels[700:]
    )
    assert found.r2[2] > 0.7 and found.r2[6] > 0.7  # 0.85 and more, by the kind of CPU
    assert np.delete(found.r2, [2, 6]).max() < 0.1


def test_a_regressor_is_saved_and_read_again(tmp_path):
    labels = np.random.default_rng(0).uniform(-1, 1, (80, 10)).astype(np.float32)
    regressor = label_recovery.train_label_regressor(PIXELS[:80], labels, epochs=1)
    write_tensors(tmp_path / "regressor.safetensors", regressor.state_dict(), {})
    again = label_recovery.load_label_regressor(tmp_path / "regressor.safetensors")
    assert np.array_equal(
        label_recovery.predict_labels(regressor, PIXELS),
        label_recovery.predict_labels(again, PIXELS),
    )
