"""The 2021 project's own file, `spd_train.npy`: pictures, names and labels in one pickled dict.

A pickle is a program. The unpickler here knows numpy's arrays and the plain containers and imports
nothing: any other name ends it. Pictures stay in the mapped file, so that half a million of them
need little memory.
"""

import contextlib
import gc
import hashlib
import io
import math
import mmap
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from albumlib import features
from albumlib.runtime.pictures import to_png
from albumlib.sources.base import CoverError, SourceError, Track

KEYS = ("data", "names", "labels")
CHANNELS = (1, 3, 4)  # grey, RGB, RGB with transparency


class Legacy:
    """The file as a source: a track for each entry; equal pictures are one album with one cover.

    An entry whose picture is missing or odd keeps its track; its cover fails with the reason.
    Raises SourceError if the file is missing, is no such file, or tries to import anything.
    """

    name = "legacy"
    licence = (
        "Gathered from Spotify, whose policy forbids training models on its content; the pictures "
        "are their owners': publish neither them nor a model made of them."
    )
    waits = True  # for a disk, so threads will do

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.identity = f"legacy:{self.path.name}"
        found = read_pickle(self.path)
        if not isinstance(found, dict) or any(key not in found for key in KEYS):
            raise SourceError(
                f"{self.path} is not the file of 2021, which is a dict of {', '.join(KEYS)}"
            )
        self._pictures, self._names, self._labels = (_listed(found[key]) for key in KEYS)
        lengths = [len(part) for part in (self._pictures, self._names, self._labels)]
        if len(set(lengths)) > 1:
            counts = ", ".join(f"{n} {key}" for n, key in zip(lengths, KEYS, strict=True))
            raise SourceError(f"the parts of {self.path} do not fit together: {counts}")

    def __len__(self) -> int:
        return len(self._pictures)

    def tracks(self, start: int = 0) -> Iterator[Track]:
        """The entries in the file's order; their ids are their places in it, from 0."""
        first: dict[bytes, str] = {}  # where each picture stands for the first time
        for row, picture in enumerate(self._pictures):
            original = first.setdefault(_digest(picture) or b"%d" % row, str(row))
            if row < start:
                continue
            # a track's name, or an album's and a track's
            names = self._names[row]
            names = names if isinstance(names, (list, tuple)) and len(names) == 2 else ("", names)
            album, name = (text if isinstance(text, str) else "" for text in names)
            known = _features(self._labels[row])
            yield Track(str(row), name, "", original, album, cover=original, features=known)

    def cover(self, reference: str, size: int) -> bytes:
        """The picture as a PNG, in the size it has. Raises CoverError if it is none."""
        return to_png(_pixels(self._pictures[int(reference)]))


def _listed(part: object) -> list:
    with contextlib.suppress(*DAMAGE):
        return list(part.values() if isinstance(part, Array) else part)
    raise SourceError("the file of 2021 holds lists, and this one something else")


def _digest(picture: object) -> bytes:
    with contextlib.suppress(CoverError):
        return hashlib.sha256(_pixels(picture)).digest()[:16]
    return b""


def _pixels(picture: object) -> np.ndarray:
    """A picture (H, W), (H, W, 3) or (H, W, 4) uint8. Raises CoverError with what it is instead."""
    try:
        pixels = picture.values() if isinstance(picture, Array) else picture
        shape, kind = pixels.shape, pixels.dtype
    except DAMAGE as error:
        raise CoverError("no picture") from error
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if kind != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in CHANNELS or not pixels.size:
        raise CoverError(f"no picture but {'x'.join(map(str, shape)) or 'one'} {kind}")
    return np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _features(label: object) -> dict[str, float]:
    """A label in own units, in the order of features.NAMES; what is no number is missing."""
    with contextlib.suppress(*DAMAGE):
        values = label.values() if isinstance(label, Array) else label
        values = values.tolist() if isinstance(values, np.ndarray) else values
        known = [isinstance(v, int | float) and math.isfinite(v) for v in values]
        named = zip(features.NAMES, values, known, strict=True)
        return {name: float(value) for name, value, is_known in named if is_known}
    return {}


# The pickle -------------------------------------------------------------------------------------

# What Python's unpickler and numpy may raise at bytes that are damaged or odd.
DAMAGE = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError,
    ArithmeticError, RecursionError, MemoryError, struct.error,
)  # fmt: skip


def read_pickle(path: str | Path) -> object:
    """What a pickle holds, bare or within a .npy file, its arrays as `Array`s still on disk.

    Raises SourceError if the file is missing or damaged, or with the name of anything that it
    tried to import, if that is not numpy's.
    """
    path = Path(path)
    if not path.is_file() or not path.stat().st_size:
        raise SourceError(f"there is no file {path}, or it is empty")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        _skip_header(mapped)
        gc.disable()  # to look for cycles among millions of new objects takes longer than to read
        found = _Unpickler(mapped).load()
        return found.values().item() if isinstance(found, Array) and not found.shape else found
    except _Refused as error:
        raise SourceError(
            f"{path} tried to import {error}, which no file of pictures needs: it may be meant to "
            "do harm, and nothing of it was run"
        ) from error
    except DAMAGE as error:
        raise SourceError(f"{path} is damaged, or no pickle of arrays ({error})") from error
    finally:
        gc.enable()


def _skip_header(mapped: mmap.mmap) -> None:
    """Go to where the pickle begins: behind the header that `np.save` wrote, if it was that."""
    if mapped[:6] == np.lib.format.MAGIC_PREFIX:
        (length,) = struct.unpack("<H", mapped[8:10])
        if b"'|O'" not in mapped[10 : 10 + length]:
            raise ValueError("an array of numbers")
        mapped.seek(10 + length)


class _Refused(Exception):
    """The name of something that the pickle wanted to import."""


class _Type:
    """A pickled numpy.dtype: a code such as "u1", completed by its order of bytes."""

    __slots__ = ("code",)

    def __init__(self, code: str, *flags: object):
        self.code = code

    def become(self, version: int, order: str, *rest: object) -> None:
        self.code = order + self.code


class Array:
    """A pickled numpy array whose numbers are still in the file."""

    __slots__ = ("_mapped", "_order", "_raw", "kind", "shape")

    def __init__(self, mapped: mmap.mmap):
        self._mapped = mapped
        self.become(1, (), _Type("u1"), False, b"")

    def become(self, version: int, shape: tuple, kind: _Type, by_column: bool, raw: object) -> None:
        """`raw` is where the bytes are in the file, or bytes if they are few, or a list."""
        self.shape, self.kind, self._raw, self._order = shape, kind, raw, "CF"[bool(by_column)]

    def values(self) -> np.ndarray:
        """The array itself, on the mapped file. Raises one of DAMAGE if it makes no sense."""
        if isinstance(self._raw, list):
            values = np.fromiter(self._raw, object, len(self._raw))
        elif isinstance(self._raw, range):
            part = memoryview(self._mapped)[self._raw.start : self._raw.stop]
            values = np.frombuffer(part, self.kind.code)
        else:
            values = np.frombuffer(self._raw, self.kind.code)
        return values.reshape(self.shape, order=self._order)


class _Unpickler(pickle._Unpickler):
    """Python's unpickler (the one in Python), less all that could call or import anything.

    Strings of 256 bytes and more are left in the file and stand as the range of their places.
    """

    dispatch = {  # noqa: RUF012, as in the class it overrides
        code: load
        for code, load in pickle._Unpickler.dispatch.items()
        if bytes([code]) not in (
            pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2,
            pickle.EXT4, pickle.PERSID, pickle.BINPERSID,
        )
    }  # fmt: skip

    def __init__(self, mapped: mmap.mmap):
        super().__init__(mapped)
        self._mapped = mapped

    def find_class(self, module: str, name: str) -> object:
        known = {
            "numpy.ndarray": None,  # the class is named, but only as an argument
            "numpy.dtype": _Type,
            "numpy.core.multiarray._reconstruct": lambda *_: Array(self._mapped),
            "numpy.core.multiarray.scalar": lambda kind, raw: np.frombuffer(raw, kind.code).item(),
            "numpy.core.numeric._frombuffer": self._frombuffer,
        }
        full = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if full not in known:
            raise _Refused(f"{module}.{name}")
        return known[full]

    def _frombuffer(self, raw: object, kind: _Type, shape: tuple, order: str) -> Array:
        array = Array(self._mapped)
        array.become(1, shape, kind, order == "F", raw)
        return array

    def _build(self) -> None:
        state = self.stack.pop()
        self.stack[-1].become(*state)

    def _place(self, length: str) -> None:
        (size,) = struct.unpack(length, self.read(struct.calcsize(length)))
        start = self._mapped.tell()
        self._mapped.seek(size, io.SEEK_CUR)
        self.append(range(start, start + size))

    dispatch[pickle.BUILD[0]] = _build
    dispatch[pickle.FRAME[0]] = lambda self: self.read(8)  # to read ahead would copy the pictures
    dispatch[pickle.BINBYTES[0]] = lambda self: self._place("<I")
    dispatch[pickle.BINBYTES8[0]] = lambda self: self._place("<Q")
    dispatch[pickle.BYTEARRAY8[0]] = lambda self: self._place("<Q")
