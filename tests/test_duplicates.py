import numpy as np

from albumlib import duplicates


def brute_force(fingerprints, distance):
    bits = np.bitwise_count(fingerprints[:, None] ^ fingerprints[None])
    first, second = np.nonzero(np.triu(bits <= distance, 1))
    return set(zip(first.tolist(), second.tolist(), strict=True))


def test_pairs_are_those_of_brute_force():
    dice = np.random.default_rng(0)
    prints = dice.integers(0, 2**64, 1500, dtype=np.uint64)
    prints[500:1000] = prints[:500]
    for flips in range(5):  # copies at every distance from 0 to 5
        some = slice(500 + 100 * flips, 600 + 100 * flips)
        for _ in range(flips + 1):
            prints[some] ^= np.uint64(1) << dice.integers(0, 64, 100, dtype=np.uint64)
    prints[1400:] = 0  # and a crowd of plain covers
    first, second = duplicates.near_pairs(prints)
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == brute_force(prints, 3)


def test_groups_need_like_pixels_and_join_through_friends():
    dice = np.random.default_rng(1)
    pixels = dice.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    pixels[1], pixels[2] = pixels[0], pixels[0]
    pixels[2, 0] ^= 3  # a slightly different copy
    prints = np.array([0b000, 0b111, 0b111000, 0b001, 2**40, 2**50 - 1], dtype=np.uint64)
    prints[1] = 0b111  # within 3 bits of 0; 2 is within 3 bits of 0 but 6 of 1
    groups = duplicates.groups_of_duplicates(prints, pixels)
    assert groups[0] == groups[1] == groups[2]
    assert len({*groups[3:].tolist(), groups[0]}) == 4  # 3 is near 0 by its bits, not by its look


def test_brightness_alone_does_not_make_another_picture():
    cover = np.random.default_rng(2).integers(20, 230, (8, 8, 3), dtype=np.uint8)
    pixels = np.stack([cover, cover + 6, np.full_like(cover, 120)])
    brighter, other = duplicates.differences(pixels, np.array([0, 0]), np.array([1, 2]))
    assert brighter == 0
    assert other > duplicates.ALIKE


def test_mean_colours_bound_the_difference_from_below():
    dice = np.random.default_rng(3)
    pixels = dice.integers(0, 256, (400, 6, 6, 3), dtype=np.uint8)
    pixels[200:] = pixels[:200] // 2 + dice.integers(0, 99, (200, 1, 1, 3), dtype=np.uint8)
    i, j = dice.integers(0, 400, (2, 3000))
    colours = pixels.mean((1, 2))
    bound = duplicates._apart(colours[i], colours[j])
    assert (bound <= duplicates.differences(pixels, i, j) + 1e-4).all()


def test_a_crowd_of_plain_covers_is_sorted_out_by_colour():
    """Plain covers all have the fingerprint 0: groups are those of comparing all with all."""
    dice = np.random.default_rng(4)
    colours = dice.integers(0, 256, (900, 1, 1, 3), dtype=np.uint8)
    pixels = np.broadcast_to(colours, (900, 8, 8, 3)).copy()
    groups = duplicates.groups_of_duplicates(np.zeros(900, dtype=np.uint64), pixels)
    flat = colours.reshape(900, 3).astype(float)
    gap = flat[:, None] - flat[None]
    gap -= gap.mean(2, keepdims=True).clip(-8, 8)
    near = np.abs(gap).mean(2) <= duplicates.ALIKE
    while (near @ near > near).any():  # what is near to one that is near belongs to it
        near = near @ near
    assert (groups == near.argmax(1)).all()
