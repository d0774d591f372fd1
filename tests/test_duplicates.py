import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from albumlib.dataset import duplicates
from albumlib.sources.imprint.imprint import Imprint


def brute_force(perceptual_hashes, distance):
    bits = np.bitwise_count(perceptual_hashes[:, None] ^ perceptual_hashes[None])
    first, second = np.nonzero(np.triu(bits <= distance, 1))
    return sorted(zip(first.tolist(), second.tolist(), strict=True))


def groups(prints, pixels):
    digests = np.array([cover.tobytes().hex() for cover in pixels])
    return duplicates.groups_of_duplicates(prints, pixels, digests)


def test_pairs_are_those_of_brute_force_each_once():
    rng = np.random.default_rng(0)
    prints = rng.integers(0, 2**64, 1500, dtype=np.uint64)
    prints[500:1000] = prints[:500]
    for flips in range(5):  # copies at every distance from 0 to 5
        some = slice(500 + 100 * flips, 600 + 100 * flips)
        for _ in range(flips + 1):
            prints[some] ^= np.uint64(1) << rng.integers(0, 64, 100, dtype=np.uint64)
    prints[1400:] = 0  # and a crowd of plain covers
    first, second = duplicates.near_pairs(prints)
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == brute_force(prints, 3)
    assert len(duplicates.near_pairs(prints[:0])[0]) == 0


def test_of_pairs_further_apart_those_that_share_a_band_are_found():
    pixels = np.random.default_rng(6).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    far = [0, 0b111111, 0b1111111, 0x0003_0001_0001_0001]  # bits apart: 6, 7, and 5 in all bands
    for bits, same in zip(far, (True, True, False, False), strict=True):
        prints = np.array([0, bits], dtype=np.uint64)
        digests = np.arange(2)
        found = duplicates.groups_of_duplicates(prints, pixels.repeat(2, axis=0), digests)
        assert (found[1] == 0) == same


def test_groups_need_like_pixels_and_join_through_friends():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    pixels[1], pixels[2] = pixels[0], pixels[0]
    pixels[2, 0] ^= 3  # a slightly different copy
    prints = np.array([0b000, 0b111, 0b111000, 0b001, 2**40, 2**50 - 1], dtype=np.uint64)
    found = groups(prints, pixels)
    assert found[0] == found[1] == found[2] == 0
    assert len({*found[3:].tolist(), 0}) == 4  # 3 is near 0 by its bits, not by its look


def test_white_covers_with_different_titles_are_different():
    pixels = np.full((3, 16, 16, 3), 255, dtype=np.uint8)
    pixels[0, 3, 2:9], pixels[1, 12, 5:12], pixels[2, 3, 2:9] = 90, 90, 93
    assert duplicates.differences(pixels, np.array([0]), np.array([1]))[0] > 1
    assert groups(np.zeros(3, dtype=np.uint64), pixels).tolist() == [0, 1, 0]


def test_brightness_alone_does_not_make_another_picture():
    cover = np.random.default_rng(2).integers(20, 230, (8, 8, 3), dtype=np.uint8)
    pixels = np.stack([cover, cover + 6, np.full_like(cover, 120)])
    brighter, other = duplicates.differences(pixels, np.array([0, 0]), np.array([1, 2]))
    assert brighter == 0
    assert other > duplicates.ALIKE


def test_mean_colours_bound_the_difference_from_below():
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (400, 6, 6, 3), dtype=np.uint8)
    pixels[200:] = pixels[:200] // 2 + rng.integers(0, 99, (200, 1, 1, 3), dtype=np.uint8)
    i, j = rng.integers(0, 400, (2, 3000))
    pixels[::7] = pixels[::7, ..., :1]  # some without colour
    colours, contrast, grey = duplicates._summary(pixels, np.arange(400))
    assert np.array_equal(np.flatnonzero(grey), np.arange(0, 400, 7))
    bound = duplicates._apart(colours[i, None], colours[j, None], grey[i] | grey[j])
    exact = duplicates.differences(pixels, i, j)
    assert (bound <= exact + 1e-4).all()
    gap, alike = np.abs((colours[i] - colours[j]) @ duplicates.LUMA), exact <= duplicates.ALIKE
    assert (gap[alike] <= 2 * duplicates.ALIKE + duplicates.SHIFT).all()
    own = np.abs(pixels - pixels.mean((1, 2), keepdims=True)).mean((1, 2, 3))
    assert contrast == pytest.approx(own, rel=1e-4)


def test_a_copy_without_colour_is_the_same_picture():
    cover = np.random.default_rng(5).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    grey = np.repeat((cover @ duplicates.LUMA).astype(np.uint8)[..., None], 3, axis=2)
    pixels = np.stack([cover, grey, np.roll(grey, 3, axis=0), cover[..., ::-1]])
    assert groups(np.zeros(4, dtype=np.uint64), pixels).tolist() == [0, 0, 2, 3]


def test_a_crowd_of_plain_covers_is_sorted_out_by_colour():
    """Plain covers all have the perceptual_hash 0: groups are those of comparing all with all."""
    rng = np.random.default_rng(4)
    colours = rng.integers(0, 64, (900, 1, 1, 3), dtype=np.uint8)
    pixels = np.broadcast_to(colours, (900, 8, 8, 3)).copy()
    found = groups(np.zeros(900, dtype=np.uint64), pixels)
    flat = colours.reshape(900, 3).astype(float)
    gap = flat[:, None] - flat[None]
    gap -= gap.mean(2, keepdims=True).clip(-8, 8)
    near = np.abs(gap).mean(2) <= 1 + 1e-6  # the limit where there is no contrast
    while (near @ near > near).any():  # what is near to one that is near belongs to it
        near = near @ near
    assert (found == near.argmax(1)).all()


def test_a_long_chain_is_one_group():
    group = np.arange(5000)
    duplicates._join(group, np.arange(4999), np.arange(1, 5000))
    assert (duplicates._root(group, np.arange(5000)) == 0).all()


def test_fingerprints_survive_what_copying_does():
    label, apart = Imprint(albums=60, dirt=0), []
    for index in range(60):
        picture = Image.open(io.BytesIO(label.cover(f"album/{index}", 128))).convert("RGB")
        copy = ImageEnhance.Contrast(picture.resize((101, 101))).enhance(0.9)
        stream = io.BytesIO()
        copy.save(stream, "JPEG", quality=70)
        prints = [duplicates.perceptual_hash(np.asarray(p)) for p in (picture, Image.open(stream))]
        apart.append((prints[0] ^ prints[1]).bit_count())
    assert np.mean(np.array(apart) <= duplicates.TRIED) >= 0.98
