import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from albumlib.dataset import duplicates
from albumlib.dataset.images import decode
from albumlib.sources.imprint.imprint import Imprint
from tests.benchmarks import near_duplicates

CASES = Path(__file__).parent / "cases/duplicates"


def groups(pictures):
    """The group of each picture: a list of arrays (S, S, 3), or of image files."""
    covers = [
        decode(picture.read_bytes(), 64).pixels if isinstance(picture, Path) else picture
        for picture in pictures
    ]
    return near_duplicates.groups(covers).tolist()


def brute_force(hashes, distance):
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None])
    known = (hashes[:, None] != 0) & (hashes[None] != 0)
    first, second = np.nonzero(np.triu((bits <= distance) & known, 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


# Hashes ------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.sets(st.integers(0, 63), max_size=6)), max_size=30),
    st.integers(0, duplicates.NEAR),
)
def test_pairs_are_those_of_brute_force_each_once(originals, copies, distance):
    turned = [
        originals[number % len(originals)] ^ sum(1 << bit for bit in bits)
        for number, bits in copies
    ]
    hashes = np.array(originals + turned, dtype=np.uint64)
    first, second = duplicates.near_pairs(hashes, distance)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == brute_force(hashes, distance)


def test_pairs_of_many_hashes_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 1500, dtype=np.uint64)
    hashes[500:1000] = hashes[:500]
    for flips in range(5):  # copies at every distance from 1 to 5
        some = slice(500 + 100 * flips, 600 + 100 * flips)
        for _ in range(flips + 1):
            hashes[some] ^= np.uint64(1) << rng.integers(0, 64, 100, dtype=np.uint64)
    hashes[1400:1450], hashes[1450:] = 77, 0  # many of one picture, and plain covers
    first, second = duplicates.near_pairs(hashes)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == brute_force(hashes, 4)
    assert len(duplicates.near_pairs(hashes[:0])[0]) == 0


def test_hashes_of_copies_are_near_and_of_others_far():
    originals = [Image.open(io.BytesIO(drawn(index))) for index in range(20)]
    hashes = near_duplicates.hashes_of([np.asarray(picture) for picture in originals])
    for picture, (whole, inner) in zip(originals, hashes.tolist(), strict=True):
        small = duplicates.perceptual_hashes(np.asarray(picture.resize((101, 101))))
        assert (small[0] ^ whole).bit_count() <= 3 and (small[1] ^ inner).bit_count() <= 3
        cropped = duplicates.perceptual_hashes(near_duplicates.crop(picture, 0.04))
        assert (cropped[0] ^ inner).bit_count() <= 4
    apart = np.bitwise_count(hashes[:, None, 0] ^ hashes[None, :, 0])
    assert np.median(apart[np.triu_indices(20, 1)]) > 20


def test_a_cover_that_shows_nothing_has_the_hash_0():
    rng = np.random.default_rng(1)
    noise = rng.integers(100, 103, (64, 64, 3), dtype=np.uint8)  # as compression leaves it
    assert duplicates.perceptual_hashes(np.full((64, 64, 3), 200, dtype=np.uint8)) == (0, 0)
    assert duplicates.perceptual_hashes(noise) == (0, 0)


# Thumbnails --------------------------------------------------------------------------------------


def enlarged(pixels):
    return pixels.repeat(4, axis=0).repeat(4, axis=1)


def test_brightness_and_contrast_do_not_count_and_content_does():
    pixels = np.random.default_rng(2).integers(60, 160, (16, 16, 3), dtype=np.uint8)
    altered = [pixels, pixels + 40, pixels // 2, np.roll(pixels, 3, axis=0)]
    thumbs = np.array([duplicates.thumbnails(enlarged(cover)) for cover in altered])
    same = duplicates.same_picture(thumbs, np.zeros(3, int), np.arange(1, 4))
    assert same.tolist() == [True, True, False]


def test_similarity_is_the_correlation_where_the_variance_is_one():
    grey = np.random.default_rng(3).integers(0, 256, (2, 20, 16, 16), dtype=np.uint8)
    grey[1] = grey[1] // 2 + grey[0] // 2
    first, second = (duplicates._normalised(part) for part in grey)
    wanted = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(*grey, strict=True)]
    assert duplicates.similarity(first, second) == pytest.approx(wanted, abs=1e-4)
    empty = np.zeros((20, 16, 16), dtype=np.float32)
    assert (duplicates.similarity(empty, empty) == 0).all()
    assert (duplicates.similarity(empty, empty, duplicates.FLAT) == 1).all()
    assert (duplicates.similarity(empty, first, duplicates.FLAT) < 0.05).all()


def test_a_frame_in_common_does_not_make_two_pictures_the_same():
    pixels = np.random.default_rng(4).integers(0, 60, (2, 16, 16, 3), dtype=np.uint8)
    pixels[:, :2] = pixels[:, -2:] = pixels[:, :, :2] = pixels[:, :, -2:] = 250
    thumbs = np.array([duplicates.thumbnails(enlarged(cover)) for cover in pixels])
    assert duplicates.similarity(*duplicates._normalised(thumbs["grey"][:, 0])[:, None]) > 0.9
    assert not duplicates.same_picture(thumbs, np.array([0]), np.array([1]))


# Groups ------------------------------------------------------------------------------------------


def drawn(index):
    return Imprint(albums=60, corruption=0).cover(f"album/{index}", 128)


HARD = {"framed_2": 0.75, "moved_3": 0.3}  # neither like the whole nor like the inner part


@pytest.mark.parametrize("kind", near_duplicates.KINDS)
def test_altered_copies_of_drawn_covers_are_found(kind):
    originals = [drawn(index) for index in range(40)]
    found = near_duplicates.recall(originals, near_duplicates.KINDS[kind])
    assert found >= HARD.get(kind, 0.9)


def test_scans_of_one_picture_are_one_group():
    scans = sorted((CASES / "scans").glob("*.jpg"))
    assert len(scans) == 5 and groups(scans) == [0] * 5


def test_a_copy_without_colour_joins_one_colour_and_never_two():
    names = ("green", "grey", "red")
    for order in ((0, 1, 2), (1, 2, 0), (2, 1, 0), (1, 0, 2)):
        found = groups([CASES / f"three_discs/{names[i]}.png" for i in order])
        place = {names[i]: found[k] for k, i in enumerate(order)}
        assert place["red"] != place["green"]
        assert place["grey"] in (place["red"], place["green"])


def disc(colour, background=(0, 0, 0)):
    picture = Image.new("RGB", (128, 128), background)
    ImageDraw.Draw(picture).ellipse((30, 30, 98, 98), fill=colour)
    return picture


def test_colours_are_not_joined_through_those_between_them():
    hues = [disc(f"hsv({hue}, 90%, 80%)") for hue in range(0, 360, 10)]
    found = np.array(groups([np.asarray(picture) for picture in hues]))
    for group in np.unique(found):
        members = 10 * np.flatnonzero(found == group)
        spread = np.abs((members - members[0] + 180) % 360 - 180)
        assert spread.max() <= 70
    assert len(np.unique(found)) >= 3


def test_without_any_colour_copies_are_one_group():
    grey = [np.asarray(disc((level,) * 3)) for level in (90, 160, 230)]
    assert groups(grey) == [0, 0, 0]


def test_white_covers_with_different_titles_are_different():
    pictures = []
    for top, left, ink in ((20, 10, 90), (90, 60, 90), (20, 10, 96)):
        picture = Image.new("RGB", (128, 128), "white")
        ImageDraw.Draw(picture).rectangle((left, top, left + 40, top + 6), fill=(ink,) * 3)
        pictures.append(np.asarray(picture))
    assert groups([*pictures, np.full((128, 128, 3), 255, np.uint8)]) == [0, 1, 0, 3]


def test_plain_covers_are_one_group_only_where_their_colour_is():
    levels = np.arange(256, dtype=np.uint8)
    found = np.array(groups([np.full((64, 64, 3), level) for level in levels]))
    spread = [np.ptp(np.flatnonzero(found == group)) for group in np.unique(found)]
    assert max(spread) < duplicates.STEP  # black and white are not joined by the greys between
    coloured = [np.full((64, 64, 3), c, np.uint8) for c in ((200, 0, 0), (0, 200, 0), (201, 1, 0))]
    assert groups(coloured) == [0, 1, 0]


def test_copies_of_copies_are_one_group():
    """Cropped and framed copies differ by two margins, but each is near the original."""
    picture = Image.open(CASES / "scans/first.jpg")
    cropped, framed = near_duplicates.crop(picture, 0.03), near_duplicates.frame(picture, 0.04)
    assert groups([cropped, np.asarray(picture), framed]) == [0, 0, 0]


def test_many_of_one_picture_are_one_group(monkeypatch):
    """Beyond CROWD not all pairs are compared, but each with the next ones."""
    monkeypatch.setattr(duplicates, "CROWD", 20)
    thumbs = np.array([duplicates.thumbnails(np.asarray(disc((200, 40, 40))))]).repeat(3000)
    hashes = np.full((3000, 2), 12345, dtype=np.uint64)
    assert (duplicates.groups_of_duplicates(hashes, thumbs, np.arange(3000)) == 0).all()


def test_the_same_pixels_are_one_group_whatever_their_hash():
    thumbs = np.zeros(3, dtype=duplicates.THUMBS)
    hashes = np.arange(1, 7, dtype=np.uint64).reshape(3, 2) << np.uint64(40)
    found = duplicates.groups_of_duplicates(hashes, thumbs, np.array(["a", "b", "a"]))
    assert found.tolist() == [0, 1, 0]


def test_a_long_chain_is_one_group():
    group = np.arange(5000)
    duplicates._join(group, np.arange(4999), np.arange(1, 5000))
    assert (duplicates._root(group, np.arange(5000)) == 0).all()


def test_altered_copies_of_real_covers_are_found():
    covers = near_duplicates.real_covers()
    if not covers:
        pytest.skip("no real covers in ../shared")
    result = near_duplicates.measured(covers[::90], 60)
    wanted = {"contrast_less_30": 0.9, "brighter_25": 0.9, "cropped_3": 0.9, "framed_4": 0.9}
    for kind, least in (wanted | {"quality_40": 0.95}).items():
        assert result["recall"][kind] >= least
