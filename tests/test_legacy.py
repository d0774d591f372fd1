"""The file of 2021: read as numpy would, left on disk, and nothing in it is ever run."""

import io
import os
import pickle
import random
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from albumlib import features
from albumlib.dataset.gathering import gather
from albumlib.sources.base import CoverError, SourceError
from albumlib.sources.legacy import Legacy, read_pickle

LABEL = [66, 0.1, 0.7, 0.9, 0.0, 0.06, -2.6, 0.05, 122.0, 0.5]


def picture(seed, *shape):
    shape = shape or (64, 64, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def written(folder, found, protocol=3, bare=False):
    """As `np.save` writes a dict, or as `pickle.dump` does."""
    path = folder / "spd_train.npy"
    with path.open("wb") as file:
        if bare:
            pickle.dump(found, file, protocol)
        else:
            whole = np.empty((), object)
            whole[()] = found
            header = {"descr": "|O", "fortran_order": False, "shape": ()}
            np.lib.format.write_array_header_1_0(file, header)
            pickle.dump(whole, file, protocol)
    return path


def entries(pictures, names=None, labels=None):
    count = len(pictures)
    return {
        "data": pictures,
        "names": names or [f"song {number}" for number in range(count)],
        "labels": labels or [LABEL] * count,
    }


def opened(folder, *arguments, **options):
    return Legacy(written(folder, entries(*arguments), **options))


def pixels(source, reference):
    return np.asarray(Image.open(io.BytesIO(source.cover(reference, 300))))


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_pictures_names_and_labels_come_back(tmp_path, protocol, bare):
    pictures = [picture(0), picture(1, 640, 600, 3), picture(2, 20, 20)]
    source = opened(tmp_path, pictures, protocol=protocol, bare=bare)
    tracks = list(source.tracks())
    assert [track.name for track in tracks] == ["song 0", "song 1", "song 2"]
    assert tracks[0].features == dict(zip(features.NAMES, LABEL, strict=True))
    for track, there in zip(tracks, pictures, strict=True):
        assert np.array_equal(pixels(source, track.cover), there)
    assert list(source.tracks(1)) == tracks[1:]


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_every_kind_of_array_is_read_as_numpy_reads_it(tmp_path, protocol):
    arrays = [
        np.arange(10.0), np.arange(6, dtype=">i4").reshape(2, 3), np.asfortranarray(picture(0)),
        picture(1)[::2, ::-1], np.array(["one", "two"]), np.array(3.5), np.zeros((0, 3)),
        np.array([1.5, None], object), np.arange(400, dtype=np.float32),
    ]  # fmt: skip
    found = read_pickle(written(tmp_path, arrays, protocol, bare=True))
    for array, there in zip(found, arrays, strict=True):
        assert np.array_equal(array.values(), there) and array.values().dtype == there.dtype


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (np.stack([picture(0), picture(1)]), np.array([LABEL, LABEL])),
        (np.array([picture(0), picture(1, 9, 9), 0], object)[:2], [np.array(LABEL)] * 2),
        ([picture(0), picture(1)], [[np.float64(value) for value in LABEL]] * 2),
        ([picture(0), picture(1)], np.array([LABEL, LABEL], np.float32)),
    ],
    ids=["one array", "array of arrays", "numpy's numbers", "single precision"],
)
def test_arrays_in_place_of_lists_will_do(tmp_path, data, labels):
    names = np.array(["one", "two"])
    found = {"data": data, "names": names, "labels": labels}
    source = Legacy(written(tmp_path, found))
    first, second = source.tracks()
    assert (first.name, second.name) == ("one", "two")
    assert list(second.features.values()) == pytest.approx(LABEL)
    assert np.array_equal(pixels(source, second.cover), data[1])


def test_equal_pictures_are_one_album_with_one_cover(tmp_path):
    one = picture(0)
    names = [("Jordi", "Memories"), ["Jordi", "Lost"], None, "Alone"]
    source = opened(tmp_path, [one, one, one.copy(), picture(1)], names)
    tracks = list(source.tracks())
    assert [track.album_id for track in tracks] == ["0", "0", "0", "3"]
    assert [(track.album, track.name) for track in tracks] == [
        ("Jordi", "Memories"), ("Jordi", "Lost"), ("", ""), ("", "Alone"),
    ]  # fmt: skip
    counts = gather(source, tmp_path / "gathered")
    assert counts["tracks"] == 4 and counts["covers done"] == 2


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (None, "no picture"),
        ([[1, 2], [3, 4]], "no picture"),
        (np.zeros((64, 64, 2), np.uint8), "no picture but 64x64x2 uint8"),
        (np.zeros((64, 64, 3)), "no picture but 64x64x3 float64"),
        (np.zeros(12, np.uint8), "no picture but 12 uint8"),
        (np.array([None, 1]), "no picture but 2 object"),
        (np.zeros((0, 0, 3), np.uint8), "no picture but 0x0x3 uint8"),
    ],
)
def test_an_odd_picture_costs_its_cover_and_nothing_else(tmp_path, odd, reason):
    source = opened(tmp_path, [picture(0), odd, picture(1)])
    tracks = list(source.tracks())
    assert [track.cover for track in tracks] == ["0", "1", "2"]
    with pytest.raises(CoverError, match=f"^{reason}$"):
        source.cover("1", 300)
    assert np.array_equal(pixels(source, "2"), picture(1))


@pytest.mark.parametrize(
    ("label", "missing"),
    [
        (None, set(features.NAMES)),
        (LABEL[:9], set(features.NAMES)),
        ("none", set(features.NAMES)),
        ([None, *LABEL[1:]], {"popularity"}),
        ([*LABEL[:9], float("nan")], {"valence"}),
    ],
)
def test_odd_labels_are_missing_values(tmp_path, label, missing):
    source = opened(tmp_path, [picture(0)], None, [label])
    [track] = source.tracks()
    assert set(features.NAMES) - set(track.features) == missing


# What must not happen ---------------------------------------------------------------------------


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.made_of = function, arguments

    def __reduce__(self):
        return self.made_of


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("function", "argument", "name"),
    [
        (os.system, "touch owned", rf"{os.name}\.system"),
        (eval, "1/0", r"(builtins|__builtin__)\.eval"),
        (getattr, ({}, "get"), r"(builtins|__builtin__)\.getattr"),
        (np.load, "x.npy", r"numpy\.load"),
        (np.fromfile, "x", r"numpy\S*\.fromfile"),
    ],
)
def test_a_hostile_pickle_is_refused_by_the_name_of_what_it_wanted(
    tmp_path, monkeypatch, protocol, function, argument, name
):
    monkeypatch.chdir(tmp_path)
    arguments = argument if isinstance(argument, tuple) else (argument,)
    hidden = [picture(0)] * (protocol > 2) + [Calls(function, *arguments)]
    path = written(tmp_path, {"data": hidden, "names": [], "labels": []}, protocol, bare=True)
    with pytest.raises(SourceError, match=f"tried to import {name}"):
        Legacy(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "program",
    [
        b"ios\nsystem\n(S'touch owned'\ntR.",  # INST
        b"(cos\nsystem\nS'touch owned'\no.",  # OBJ
        b"cnumpy\ndtype\n)\x81.",  # NEWOBJ
        b"Pname\n.", b"NQ.", b"\x82\x01.",  # persistent ids, extension
        b"cnumpy\ndtype\n}b.", b"]}b.", b"N)R.",  # BUILD and REDUCE of what cannot
        b"\x8e" + b"\xff" * 8 + b".", b"B\xff\xff\xff\xffx.",  # longer than the file
        b"", b"\x80\x04", b"plain text", b"\x93NUMPY", b"PK\x03\x04",
    ],
)  # fmt: skip
def test_what_is_no_pickle_of_arrays_ends_in_a_sentence(tmp_path, monkeypatch, program):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy").write_bytes(program)
    with pytest.raises(SourceError):
        Legacy(tmp_path / "x.npy")
    assert not (tmp_path / "owned").exists()


def test_other_files_are_told_apart(tmp_path):
    np.save(tmp_path / "numbers.npy", np.arange(4))
    with pytest.raises(SourceError, match="array of numbers"):
        Legacy(tmp_path / "numbers.npy")
    with pytest.raises(SourceError, match="dict of data, names, labels"):
        Legacy(written(tmp_path, {"data": []}))
    with pytest.raises(SourceError, match="1 data, 2 names, 1 labels"):
        opened(tmp_path, [picture(0)], ["one", "two"])
    with pytest.raises(SourceError, match="there is no file"):
        Legacy(tmp_path / "nowhere.npy")


def test_no_damage_brings_anything_but_a_sentence(tmp_path):
    path = written(tmp_path, entries([picture(seed, 8, 8, 3) for seed in range(6)]), 4)
    whole, rng = path.read_bytes(), random.Random(0)
    for _ in range(500):
        damaged = bytearray(whole[: rng.choice([len(whole), rng.randrange(len(whole))])])
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            source = Legacy(path)
            covers = {track.cover for track in source.tracks()}
        except SourceError:
            continue
        for cover in covers:
            try:
                source.cover(cover, 300)
            except CoverError:
                continue


def test_pictures_stay_on_disk(tmp_path):
    path = written(tmp_path, entries([picture(seed) for seed in range(1000)]), 4)
    tracemalloc.start()
    source = Legacy(path)
    assert len(list(source.tracks())) == 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000 * 1000 < path.stat().st_size / 3  # the course's file has 500,000: 2 GB
