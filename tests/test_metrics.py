import itertools
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import nn

from albumlib.dataset.images import decode
from albumlib.evaluation import metrics
from albumlib.evaluation.extractor import extract, load_extractor
from albumlib.sources.imprint.imprint import Imprint


def stripes(count, seed, period=8):
    """Striped covers of random colour and phase: something for a distance to measure."""
    rng = np.random.default_rng(seed)
    phase = rng.integers(0, period, count)[:, None, None, None]
    wave = (np.arange(32)[None, None, :, None] + phase) // (period // 2) % 2
    colour = rng.integers(40, 216, (count, 1, 1, 3))
    noise = rng.normal(0, 4, (count, 32, 32, 3))
    return (colour * (0.3 + 0.7 * wave) + noise).clip(0, 255).astype(np.uint8)


def blurred(pixels, reach):
    shifted = [np.roll(pixels.astype(float), step, axis=2) for step in range(-reach, reach + 1)]
    return np.mean(shifted, axis=0).astype(np.uint8)


def noisy(pixels, level):
    noise = np.random.default_rng(9).normal(0, level, pixels.shape)
    return (pixels + noise).clip(0, 255).astype(np.uint8)


REAL = stripes(300, 1)
swd = partial(metrics.sliced_wasserstein, directions=64)


def test_distance_to_itself_is_zero_and_to_more_of_the_same_is_the_reference():
    order = np.random.default_rng(0).permutation(len(REAL))
    reference = swd(*np.split(REAL[order], 2))
    assert swd(REAL, REAL[::-1]) < reference
    assert swd(REAL, stripes(300, 2)) < 2 * reference


@pytest.mark.parametrize("worse", [blurred, noisy])
def test_damage_raises_the_distance_step_by_step(worse):
    levels = {blurred: (0, 1, 2, 3), noisy: (0, 10, 25, 60)}[worse]
    fresh = stripes(300, 2)
    distances = [swd(REAL, worse(fresh, level)) for level in levels]
    assert distances == sorted(distances)
    assert distances[-1] > 2 * distances[0]


def test_a_lost_mode_raises_the_distance():
    fresh = stripes(300, 2)
    red = fresh[fresh[..., 0].mean((1, 2)) > fresh[..., 2].mean((1, 2))]
    assert swd(REAL, red) > 1.5 * swd(REAL, fresh[: len(red)])


# Distances of features, against what is known of them


def normals(count, seed, mean=0.0, spread=1.0, columns=6):
    return mean + spread * np.random.default_rng(seed).normal(size=(count, columns))


class Identity(nn.Module):
    """Lets torchmetrics, which wants a network, work on features."""

    num_features = 6

    def forward(self, x):
        return x


def test_frechet_distance_of_normal_distributions_is_the_formula():
    x = normals(500, 1)
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    spread, shift = np.array([0.5, 1, 2, 3, 1, 0]), np.array([0, 0, 1, 0, -2, 0])
    expected = np.square(1 - spread).sum() + 5
    assert metrics.frechet(x * spread + shift, x) == pytest.approx(expected)
    assert metrics.frechet(x, x[::-1]) == pytest.approx(0, abs=1e-9)


def test_frechet_and_kernel_distance_agree_with_torchmetrics():
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    turn = np.random.default_rng(5).normal(size=(6, 6))  # covariances that do not commute
    fake, real = normals(300, 1, 0.3) @ turn, normals(300, 2)
    metrics_there = (
        FrechetInceptionDistance(Identity(), input_img_size=(6,)),
        KernelInceptionDistance(Identity(), subsets=1, subset_size=300),
    )
    for metric in metrics_there:
        metric.set_dtype(torch.float64)
        metric.update(torch.from_numpy(real), real=True)
        metric.update(torch.from_numpy(fake), real=False)
    assert metrics.frechet(fake, real) == pytest.approx(metrics_there[0].compute().item(), rel=1e-5)
    assert metrics.mmd2(fake, real) == pytest.approx(metrics_there[1].compute()[0].item(), rel=1e-5)


def test_kernel_distance_is_zero_in_expectation_even_for_few():
    found = [metrics.mmd2(normals(12, seed), normals(9, 1000 + seed)) for seed in range(400)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 20
    assert min(found) < 0


def test_kid_is_the_mean_of_subsets_and_grows_with_the_shift():
    real = normals(400, 1)
    found = [metrics.kid(normals(400, 2, shift), real) for shift in (0, 0.2, 0.5, 1)]
    means = [mean for mean, _ in found]
    assert abs(means[0]) < found[0][1] and means == sorted(means)
    assert means[-1] == pytest.approx(metrics.mmd2(normals(400, 2, 1), real), rel=0.05)
    assert metrics.kid(real, real[::-1], seed=3) == metrics.kid(real, real[::-1], seed=3)


def by_hand(fake, real, k):
    """Precision, recall, density and coverage as their papers put them, one pair at a time."""

    def ball(points):
        return [sorted(np.linalg.norm(p - q) for q in points)[k] for p in points]

    balls, fake_balls = ball(real), ball(fake)
    on = [[np.linalg.norm(f - r) < g for f in fake] for r, g in zip(real, balls, strict=True)]
    reached = [
        any(np.linalg.norm(r - f) < g for f, g in zip(fake, fake_balls, strict=True)) for r in real
    ]
    return {
        "precision": np.mean([any(row[j] for row in on) for j in range(len(fake))]),
        "recall": np.mean(reached),
        "density": np.sum(on) / (k * len(fake)),
        "coverage": np.mean([any(row) for row in on]),
    }


@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbours_agree_with_counting_by_hand(k):
    fake, real = normals(40, 1, 0.5, 0.8, 3), normals(50, 2, columns=3)
    assert metrics.neighbours(fake, real, k) == pytest.approx(by_hand(fake, real, k))


def test_neighbours_of_known_cases():
    real = normals(200, 1)
    assert set(metrics.neighbours(real, real).values()) == {1}
    away = metrics.neighbours(real + 100, real)
    assert set(away.values()) == {0}
    one_mode = metrics.neighbours(np.repeat(real[:1], 50, 0) + normals(50, 2, 0, 0.01), real)
    assert one_mode["precision"] == 1 and one_mode["coverage"] < 0.1 and one_mode["recall"] < 0.01


def test_too_few_covers_are_refused():
    with pytest.raises(metrics.MetricsError, match="KID needs four covers"):
        metrics.kid(normals(3, 1), normals(10, 2))
    with pytest.raises(metrics.MetricsError, match="more than 5 covers"):
        metrics.neighbours(normals(5, 1), normals(10, 2))


# Labels and copies


def test_nearest_agrees_with_counting_by_hand():
    queries, candidates = normals(300, 1), normals(40, 2)
    apart = np.linalg.norm(queries[:, None] - candidates, axis=2)
    distances, rows = metrics.nearest(queries, candidates)
    assert (rows == apart.argmin(1)).all() and distances == pytest.approx(apart.min(1))


def test_copies_are_found_in_proportion():
    train, heldout, fresh = normals(500, 1), normals(300, 2), normals(300, 3)
    shares = []
    for copies in (0, 30, 150, 300):
        fake = np.concatenate([train[:copies] + 0.01, fresh[copies:]])
        memory = metrics.memorisation(fake, heldout, train)
        assert (memory.rows[:copies] == np.arange(copies)).all()
        shares.append(memory.numbers()["copied"])
    assert shares == pytest.approx([0.01, 0.11, 0.51, 1], abs=0.02)
    assert memory.numbers()["nearest_ratio"] < 0.1
    assert memory.reference()["copied"] == pytest.approx(0.01, abs=0.005)


def test_thumbnails_are_means_in_grey_levels():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    small = metrics.thumbnails(pixels)
    shrunk = pixels.reshape(5, 16, 4, 16, 4, 3).mean((2, 4)).transpose(0, 3, 1, 2).reshape(5, -1)
    assert small == pytest.approx(shrunk - 127.5, abs=1e-3)


# Everything together, through the extractor, on covers


@pytest.fixture(scope="module")
def drawn():
    """Covers of a label that the extractor was not trained on, 64 px, parted in three."""
    imprint = Imprint(seed=99, albums=480, corruption=0)
    pixels = [decode(imprint.cover(f"album/{i}", 64), 64).pixels for i in range(480)]
    return np.split(np.stack(pixels), [160, 320])


def softened(pixels, radius):
    shown = (Image.fromarray(cover).filter(ImageFilter.GaussianBlur(radius)) for cover in pixels)
    return np.stack([np.asarray(cover) for cover in shown])


def damaged(pixels, kind, level):
    """Pixels after `kind` of damage; level 0 leaves them alone."""
    if kind == "blur":
        return softened(pixels, level) if level else pixels
    if kind == "noise":
        return noisy(pixels, level)
    order = np.argsort(pixels.mean((1, 2, 3)))  # drop modes: the light ones, then the darker
    kept = order[: round(len(order) * (1 - level))]
    return pixels[np.resize(kept, len(pixels))] if level else pixels


LEVELS = {"blur": (0, 0.8, 1.5, 3), "noise": (0, 20, 40, 80), "modes": (0, 0.3, 0.6, 0.9)}


def numbers(kind, fresh, real):
    network = load_extractor()
    measure = extract(network, real)
    return [
        metrics.likeness(extract(network, damaged(fresh, kind, level)), measure)
        for level in LEVELS[kind]
    ]


def rises(values, slack=0.0):
    return all(b > a - slack for a, b in itertools.pairwise(values)) and values[-1] > values[0]


@pytest.mark.parametrize("kind", LEVELS)
def test_each_damage_moves_the_numbers_the_right_way(kind, drawn):
    check_damage(kind, drawn[0], drawn[1])


@pytest.mark.parametrize("kind", LEVELS)
def test_each_damage_moves_them_on_real_covers_too(kind, shared_data):
    files = sorted((shared_data / "covers").glob("**/*.jpg"))[::8]
    pixels = np.stack([decode(file.read_bytes(), 64).pixels for file in files])
    check_damage(kind, pixels[::2][:180], pixels[1::2][:180])


def check_damage(kind, fresh, real):
    found = numbers(kind, fresh, real)
    by_name = {name: [row[name] for row in found] for name in found[0]}
    assert rises(by_name["kid"]) and rises(by_name["fd"]), by_name
    for name in ("coverage", "recall"):
        assert rises([-value for value in by_name[name]], 0.03), by_name
    if kind != "modes":
        assert by_name["density"][-1] < by_name["density"][0] - 0.05, by_name
    if kind == "noise":  # blurred covers lie among real ones: the spectrum is there for them
        assert rises([-value for value in by_name["precision"]], 0.03), by_name
    if kind == "modes":  # what is left is real
        assert by_name["precision"][-1] > by_name["precision"][0] - 0.1, by_name


def test_evaluate_has_a_reference_for_every_number_and_knows_copies(drawn):
    train, heldout, fresh = (pixels[:80] for pixels in drawn)
    found = metrics.evaluate(fresh, heldout, train)
    names = {"kid", "kid_sd", "fd", "swd", "precision", "recall", "density", "coverage"}
    names |= {"copied", "nearest_ratio"}
    assert set(found) == names | {f"{name}_real" for name in names} | {"n", "n_heldout"}
    assert found["n"] == 80 and found["copied"] < 0.1
    assert found["fd"] < 2 * found["fd_real"]
    copied = metrics.evaluate(train, heldout, train)
    assert copied["copied"] == 1 and copied["nearest_ratio"] < 1e-6
    assert copied["fd"] == copied["fd_real"], "copies pass for real"


def test_evaluate_refuses_covers_of_another_size():
    with pytest.raises(metrics.MetricsError, match="32x32, 32x32, 16x16 px"):
        metrics.evaluate(REAL, REAL, REAL[:, :16, :16])
