"""Known damage to real covers, each kind in one or more strengths, to see which measure notices
which.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from albumlib.evaluation import legibility
from albumlib.evaluation.perfect import as_cleaned
from albumlib.evaluation.scorecard import Bench, Sample, Score
from albumlib.sources.imprint.imprint import Imprint

SIMILAR = 12  # grey levels between neighbours up to which they differ by grain alone
Damage = Callable[[Sample, np.random.Generator], Sample]


def blurred(sigma: float) -> Damage:
    """Gaussian blur of `sigma` pixels."""
    return _each(lambda cover, rng: cover.filter(ImageFilter.GaussianBlur(sigma)))


def without_grain() -> Damage:
    """Every pixel becomes the mean of itself and those neighbours that are nearly the same:
    grain goes, edges stay (the sigma filter, Lee 1983)."""

    def change(sample: Sample, rng: np.random.Generator) -> Sample:
        pixels = sample.pixels.astype(np.float32)
        total, count = pixels.copy(), np.ones_like(pixels)
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            for sign in (1, -1):
                other = np.roll(pixels, (sign * down, sign * right), (1, 2))
                near = np.abs(other - pixels) <= SIMILAR
                total, count = total + near * other, count + near
        return replace(sample, seen={}, pixels=(total / count).round().astype(np.uint8))

    return change


def shuffled_quarters() -> Damage:
    """The four quarters of each cover in another order."""

    def change(cover: Image.Image, rng: np.random.Generator) -> np.ndarray:
        pixels, half = np.asarray(cover), cover.width // 2
        quarters = [pixels[y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
        a, b, c, d = (quarters[(place + rng.integers(1, 4)) % 4] for place in range(4))
        return np.concatenate([np.concatenate([a, b], 1), np.concatenate([c, d], 1)])

    return _each(change)


def hue_shifted(degrees: float) -> Damage:
    """All hues turned by so many degrees of the colour circle (HSV)."""

    def change(cover: Image.Image, rng: np.random.Generator) -> Image.Image:
        hue, *rest = cover.convert("HSV").split()
        turned = hue.point(lambda value: (value + round(degrees / 360 * 256)) % 256)
        return Image.merge("HSV", (turned, *rest)).convert("RGB")

    return _each(change)


def labels_permuted(share: float) -> Damage:
    """A proportion of the covers get each other's labels."""

    def change(sample: Sample, rng: np.random.Generator) -> Sample:
        rows = rng.permutation(len(sample))[: round(share * len(sample))]
        asked = sample.asked.copy()
        asked[rows] = asked[np.roll(rows, 1)]
        return replace(sample, asked=asked)

    return change


def families_dropped(layouts: Sequence[str], dropped: int) -> Damage:
    """Covers of the first `dropped` families are replaced by others; `layouts` names each
    cover's."""
    names = np.array(layouts)

    def change(sample: Sample, rng: np.random.Generator) -> Sample:
        kept = np.flatnonzero(~np.isin(names, np.unique(names)[:dropped]))
        rows = np.arange(len(sample))
        lost = np.setdiff1d(rows, kept)
        rows[lost] = rng.choice(kept, len(lost))
        return sample.rows(rows)

    return change


def copies_mixed_in(pixels: np.ndarray, labels: np.ndarray, share: float) -> Damage:
    """A proportion of the covers are training covers, a little brighter, with their labels."""

    def change(sample: Sample, rng: np.random.Generator) -> Sample:
        count = round(share * len(sample))
        rows, places = (rng.permutation(len(some))[:count] for some in (pixels, sample))
        mixed, asked = sample.pixels.copy(), sample.asked.copy()
        for row, place in zip(rows, places, strict=True):
            shown = ImageEnhance.Brightness(Image.fromarray(pixels[row])).enhance(1.02)
            mixed[place], asked[place] = np.asarray(shown), labels[row]
        return replace(sample, seen={}, pixels=mixed, asked=asked)

    return change


def text_smeared(imprint: Imprint, albums: Sequence[int], drawn: int) -> Damage:
    """The names on each cover that has some run into each other; `albums` are the covers'."""

    def change(sample: Sample, rng: np.random.Generator) -> Sample:
        pixels = sample.pixels.copy()
        for place, album in enumerate(albums):
            if imprint.truth(album).text:
                names, none = (imprint.picture(album, drawn, text=text) for text in (True, False))
                shown = legibility.smeared(names, none, album)
                pixels[place] = as_cleaned(shown, pixels.shape[1], album)
        return replace(sample, seen={}, pixels=pixels)

    return change


def _each(change: Callable[[Image.Image, np.random.Generator], Image.Image | np.ndarray]) -> Damage:
    def all_covers(sample: Sample, rng: np.random.Generator) -> Sample:
        shown = (change(Image.fromarray(cover), rng) for cover in sample.pixels)
        return replace(sample, seen={}, pixels=np.stack([np.asarray(cover) for cover in shown]))

    return all_covers


# The ladder -----------------------------------------------------------------------------------


def ladder(
    imprint: Imprint, albums: Sequence[int], known: tuple[np.ndarray, np.ndarray], drawn: int
) -> dict[str, list[tuple[float, Damage]]]:
    """The kinds of damage, each with its strengths. `albums` are those of the covers that are
    damaged, `known` training covers with their labels, `drawn` the pixels covers are drawn at."""
    layouts = [imprint.truth(album).layout for album in albums]
    return {
        "blur, pixels": [(sigma, blurred(sigma)) for sigma in (0.5, 1, 2)],
        "grain removed": [(1, without_grain())],
        "text smeared": [(1, text_smeared(imprint, albums, drawn))],
        "quarters shuffled": [(1, shuffled_quarters())],
        "layout families dropped": [(n, families_dropped(layouts, n)) for n in (1, 2, 4)],
        "copies mixed in": [(s, copies_mixed_in(*known, s)) for s in (0.01, 0.05, 0.2)],
        "hue shifted, degrees": [(angle, hue_shifted(angle)) for angle in (15, 30, 60)],
        "labels permuted": [(share, labels_permuted(share)) for share in (0.1, 0.3, 1)],
    }


def climb(
    bench: Bench, steps: dict[str, list[tuple[float, Damage]]], seed: int = 0
) -> Iterator[tuple[str, float, dict[str, Score]]]:
    """The scores of the bench's own covers, damaged in each way: kind, strength, scores."""
    for kind, strengths in steps.items():
        for strength, change in strengths:
            damaged = change(bench.asked, np.random.default_rng(seed))
            yield kind, strength, bench.scores(damaged)
