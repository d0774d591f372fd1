import numpy as np
import pytest

from albumlib import metrics


def stripes(count, seed, period=8):
    """Striped covers of random colour and phase: something for a distance to measure."""
    dice = np.random.default_rng(seed)
    phase = dice.integers(0, period, count)[:, None, None, None]
    wave = (np.arange(32)[None, None, :, None] + phase) // (period // 2) % 2
    colour = dice.integers(40, 216, (count, 1, 1, 3))
    noise = dice.normal(0, 4, (count, 32, 32, 3))
    return (colour * (0.3 + 0.7 * wave) + noise).clip(0, 255).astype(np.uint8)


def blurred(pixels, reach):
    shifted = [np.roll(pixels.astype(float), step, axis=2) for step in range(-reach, reach + 1)]
    return np.mean(shifted, axis=0).astype(np.uint8)


def noisy(pixels, level):
    noise = np.random.default_rng(9).normal(0, level, pixels.shape)
    return (pixels + noise).clip(0, 255).astype(np.uint8)


REAL = stripes(300, 1)


def test_distance_to_itself_is_zero_and_to_more_of_the_same_is_the_floor():
    assert metrics.sliced_wasserstein(REAL, REAL[::-1]) < metrics.swd_floor(REAL)
    fresh = metrics.sliced_wasserstein(REAL, stripes(300, 2))
    assert fresh < 2 * metrics.swd_floor(REAL)


@pytest.mark.parametrize("worse", [blurred, noisy])
def test_damage_raises_the_distance_step_by_step(worse):
    levels = {blurred: (0, 1, 2, 3), noisy: (0, 10, 25, 60)}[worse]
    fresh = stripes(300, 2)
    distances = [metrics.sliced_wasserstein(REAL, worse(fresh, level)) for level in levels]
    assert distances == sorted(distances)
    assert distances[-1] > 2 * distances[0]


def test_a_lost_mode_raises_the_distance():
    fresh = stripes(300, 2)
    red = fresh[fresh[..., 0].mean((1, 2)) > fresh[..., 2].mean((1, 2))]
    full = metrics.sliced_wasserstein(REAL, fresh[: len(red)])
    assert metrics.sliced_wasserstein(REAL, red) > 1.5 * full


def test_recovery_of_known_cases():
    asked = np.random.default_rng(0).normal(size=(500, 3))
    read = np.c_[asked[:, 0], -asked[:, 1], np.full(500, asked[:, 2].mean())]
    recovery = metrics.label_recovery(read, asked)
    assert recovery.correlation == pytest.approx([1, -1, 0])
    assert recovery.r2 == pytest.approx([1, 1 - 4 * (asked[:, 1] ** 2).sum()
        / ((asked[:, 1] - asked[:, 1].mean()) ** 2).sum(), 0])  # fmt: skip


def test_recovery_leaves_missing_labels_out():
    asked = np.random.default_rng(0).normal(size=(100, 2))
    read = asked.copy()
    asked[:30, 0], read[:30, 0] = np.nan, 99
    asked[:, 1] = np.nan
    recovery = metrics.label_recovery(read, asked)
    assert recovery.r2[0] == 1
    assert recovery.r2[1] == recovery.correlation[1] == 0


def test_shuffled_control_is_near_zero():
    asked = np.random.default_rng(0).normal(size=(2000, 4))
    control = metrics.shuffled_recovery(asked, asked)
    assert np.abs(control.correlation).max() < 0.08
    assert (control.r2 == control.correlation**2).all()


def test_reader_learns_what_is_there_and_nothing_else():
    dice = np.random.default_rng(3)
    labels = dice.uniform(-1, 1, (900, 10)).astype(np.float32)
    pixels = dice.normal(128, 15, (900, 32, 32, 3))
    pixels[..., 1] += 60 * labels[:, 2, None, None]  # green everywhere
    pixels[:, :16] += 40 * labels[:, 6, None, None, None]  # light in the upper half
    pixels = pixels.clip(0, 255).astype(np.uint8)
    labels[::5, 2] = np.nan
    reader = metrics.train_label_reader(pixels[:700], labels[:700], epochs=6)
    recovery = metrics.label_recovery(metrics.read_labels(reader, pixels[700:]), labels[700:])
    assert recovery.r2[2] > 0.7 and recovery.r2[6] > 0.7  # 0.85 and more, by the kind of CPU
    assert np.delete(recovery.r2, [2, 6]).max() < 0.1


def test_a_reader_is_saved_and_read_again(tmp_path):
    labels = np.random.default_rng(0).uniform(-1, 1, (80, 10)).astype(np.float32)
    reader = metrics.train_label_reader(REAL[:80], labels, epochs=1)
    metrics.save_reader(tmp_path / "reader.safetensors", reader)
    again = metrics.load_reader(tmp_path / "reader.safetensors")
    assert np.array_equal(metrics.read_labels(reader, REAL), metrics.read_labels(again, REAL))
