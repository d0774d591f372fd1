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
    assert duplicates.difference(cover, cover + 6) == 0
    assert duplicates.difference(cover, np.full_like(cover, 120)) > duplicates.ALIKE
