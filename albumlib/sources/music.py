"""A folder of one's own music: MP3, FLAC, Ogg and M4A, with their tags and covers.

Tempo, loudness and energy are measured from the sound. The other features stay missing, or come
from a service by ISRC (see `base.Labels`).
"""

import base64
import binascii
import contextlib
import getpass
import itertools
import tempfile
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock

from albumlib.runtime.workers import spread
from albumlib.sources.base import CoverError, Page, SourceError, Track
from albumlib.sources.folder import SUFFIXES as IMAGES
from albumlib.sources.folder import files_in, fingerprint_of, read_file
from albumlib.sources.texts import hashed, isrc, release_date

SUFFIXES = (".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".mp4")
PICTURES = ("cover", "folder", "front", "albumart")  # beside the music, where none is in it
FRONT, ICONS = 3, (1, 2)  # kinds of pictures, in ID3 and in FLAC
PAGE = 8  # tracks that are kept together, and lost together by a kill
RATE = 22_050  # samples a second that are measured
LONGEST = 600  # seconds of a file that are measured
HOP = 512  # samples between two moments
CLEAR = 1.0  # dB over all bands: by how much the beginning of a note stands out
BEATS = 4  # fewer notes, or beats, are no tempo
# What counts as none of each part of energy, and as all of it; see `energy`.
QUIET, LOUD = -30.0, -6.0  # dB
FEW, MANY = 0.5, 6.0  # notes that begin, a second
DULL, BRIGHT = 500.0, 4000.0  # Hz, the centre of the spectrum


class Music:
    """The folder as a source. A file's place below the folder is its track's id.

    `workers` files are measured at a time. Files that cannot be read keep their tracks,
    without what could not be had. Raises SourceError if there is no such folder or no music.
    """

    name = "music"
    licence = (
        "Your own copies: the covers are their owners', ask them before you show what a model "
        "made of them."
    )
    waits = True  # for a disk, so threads will do

    def __init__(self, path: str | Path, workers: int = 2):
        self.path, self.workers = Path(path), workers
        self.identity = f"music:{self.path.name}"
        self._files, self.notes = files_in(self.path, SUFFIXES)
        if not self._files:
            raise SourceError(f"{self.path} holds no music ({', '.join(SUFFIXES)})")
        self.known: dict[str, dict[str, float]] = {}  # what was measured by earlier gatherings

    @property
    def fingerprint(self) -> str:
        """Changes with the files, and with the pictures beside them."""
        beside = sorted({str(_beside(self.path / file)) for file in self._files})
        return fingerprint_of([*self._files, *beside])

    def __len__(self) -> int:
        return len(self._files)

    def pages(self, position: str = "") -> Iterator[Page]:
        """Tracks in the order of their files; the position is the last one's file."""
        rest = [file for file in self._files if file > position]
        new = [self.path / file for file in rest if file not in self.known]
        measured = spread(features_of, new, self.workers)
        with contextlib.closing(measured):
            known = self.known
            pairs = ((f, known[f] if f in known else next(measured)) for f in rest)
            while some := list(itertools.islice(pairs, PAGE)):
                yield Page([self._track(file, sound) for file, sound in some], some[-1][0])

    def _track(self, file: str, sound: dict[str, float]) -> Track:
        about = tags_of(self.path / file)
        album_id = _album_id(file, about)
        return Track(
            id=file,
            name=about["title"] or Path(file).stem,
            artist=about["artist"] or about["albumartist"],
            album_id=album_id,
            album=about["album"] or about["title"] or Path(file).stem,
            release_date=release_date(about["date"]),
            genre=about["genre"],
            cover=self._covers.get(album_id, ""),
            features=sound,
            isrc=isrc(about["isrc"]),
        )

    @cached_property
    def _covers(self) -> dict[str, str]:
        """For each album the first of its files that has a cover, or a picture beside them."""
        inside: dict[str, str] = {}
        beside: dict[str, str] = {}
        for file in self._files:
            album_id = _album_id(file, tags_of(self.path / file))
            if album_id not in inside and embedded_cover(self.path / file):
                inside[album_id] = file
            if album_id not in beside and (picture := _beside(self.path / file)):
                beside[album_id] = picture.relative_to(self.path).as_posix()
        return beside | inside

    def cover(self, reference: str, size: int) -> bytes:
        """The picture as it is. Raises CoverError if it is gone."""
        file = self.path / reference
        data = embedded_cover(file) if file.suffix.lower() in SUFFIXES else read_file(file)
        if not data:
            raise CoverError("no cover in the file")
        return data


def _album_id(file: str, about: dict[str, str]) -> str:
    """An album is its title and whose it is, or which folder it is in; else the file alone."""
    if not about["album"]:
        return file
    whose = about["albumartist"] or Path(file).parent.as_posix()
    return hashed(f"{whose}|{about['album']}")


def _beside(file: Path) -> Path | None:
    """A picture in the file's folder that is called after what it is."""
    known = {path.name.lower(): path for path in file.parent.iterdir()}
    names = (f"{stem}{suffix}" for stem in PICTURES for suffix in IMAGES)
    return next((known[name] for name in names if name in known), None)


# What is written in a file ----------------------------------------------------------------------

NAMES = ("title", "artist", "albumartist", "album", "date", "genre", "isrc")


def tags_of(path: Path) -> dict[str, str]:
    """The tags NAMES of a file, "" for what is not there."""
    import mutagen
    from mutagen.easymp4 import EasyMP4Tags

    EasyMP4Tags.RegisterFreeformKey("isrc", "ISRC")
    try:
        tags = mutagen.File(path, easy=True) or {}
    except (mutagen.MutagenError, OSError):
        tags = {}
    return {name: str((tags.get(name) or [""])[0]).strip() for name in NAMES}


def embedded_cover(path: Path) -> bytes:
    """The front cover within a file, else another picture, a file's icon last; b"" for none."""
    import mutagen

    try:
        found = mutagen.File(path)
    except (mutagen.MutagenError, OSError):
        return b""
    pictures = [(kind, data) for kind, data in _pictures(found) if data] if found else []
    pictures.sort(key=lambda picture: (picture[0] in ICONS, picture[0] != FRONT))
    return pictures[0][1] if pictures else b""


def _pictures(file: object) -> Iterator[tuple[int, bytes]]:
    """Kind and bytes of each picture in a file that mutagen has opened."""
    from mutagen.flac import Picture, error
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4Tags

    tags = file.tags
    if hasattr(file, "pictures"):  # FLAC
        yield from ((picture.type, picture.data) for picture in file.pictures)
    elif isinstance(tags, ID3):
        yield from ((frame.type, frame.data) for frame in tags.getall("APIC"))
    elif isinstance(tags, MP4Tags):
        yield from ((FRONT, bytes(data)) for data in tags.get("covr", ()))
    elif tags:  # Vorbis comments
        for text in tags.get("metadata_block_picture", ()):
            with contextlib.suppress(binascii.Error, error, ValueError):
                picture = Picture(base64.b64decode(text))
                yield picture.type, picture.data


# What can be measured ---------------------------------------------------------------------------


def features_of(path: Path) -> dict[str, float]:
    """Tempo, loudness and energy of a file, those that can be measured; {} if it has no sound."""
    sound = decoded(path)
    if sound is None or not sound.any():
        return {}
    _compile()
    return _features(sound)


@cache
def _compile() -> None:
    """Have librosa's functions compiled, once and in one process at a time: numba keeps them on
    disk, and a process that loads what two have written at once ends in a segmentation fault.
    """
    clicks = np.zeros((1, 4 * RATE), np.float32)
    clicks[:, :: RATE // 2] = 1
    with FileLock(Path(tempfile.gettempdir()) / f"albumlib-{getpass.getuser()}.lock"):
        _features(clicks)


def _features(sound: np.ndarray) -> dict[str, float]:
    """Tempo, loudness and energy of a sound (C, n), the first only if it has one."""
    import librosa

    mono = sound.mean(0)
    onsets = librosa.onset.onset_strength(y=mono, sr=RATE, hop_length=HOP)
    begun = librosa.onset.onset_detect(
        onset_envelope=onsets, sr=RATE, hop_length=HOP, normalize=False, delta=CLEAR
    )
    level = loudness(sound)
    known = {"loudness": level, "energy": energy(mono, len(begun), level)}
    found = tempo(onsets) if len(begun) >= BEATS else None
    return known if found is None else known | {"tempo": found}


def decoded(path: Path) -> np.ndarray | None:
    """A file's first ten minutes (channels, samples) at RATE, or as much as can be decoded.

    None if there is nothing at all.
    """
    import av

    parts, wanted = [], LONGEST * RATE
    resampler = av.AudioResampler(format="fltp", rate=RATE)
    try:
        with av.open(str(path)) as file:
            for frame in file.decode(audio=0):
                parts += [part.to_ndarray() for part in resampler.resample(frame)]
                wanted -= frame.samples * RATE / frame.sample_rate
                if wanted <= 0:
                    break
    except (av.FFmpegError, OSError, ValueError, IndexError):
        pass  # the rest is damaged; what came before it counts
    channels = {len(part) for part in parts}
    return np.concatenate(parts, axis=1) if len(channels) == 1 else None


def loudness(sound: np.ndarray) -> float:
    """The mean power over all channels (C, n), dB relative to full scale, no less than -60."""
    return float(10 * np.log10(max(np.mean(np.square(sound, dtype=np.float64)), 1e-6)))


def tempo(onsets: np.ndarray) -> float | None:
    """Beats a minute by librosa's beat tracker, averaged over its beats; None without beats.

    D. Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36, 2007.
    """
    import librosa

    _, beats = librosa.beat.beat_track(onset_envelope=onsets, sr=RATE, hop_length=HOP)
    if len(beats) < BEATS:
        return None
    return round(60 * RATE / HOP * (len(beats) - 1) / float(beats[-1] - beats[0]), 2)


def energy(mono: np.ndarray, notes: int, level: float) -> float:
    """How loud, busy and bright a sound is: the mean of three numbers from 0 to 1: its `level` in
    dB, the `notes` that begin each second, and the centre of its spectrum, on a logarithmic scale.
    An estimate of our own: high for fast, noisy music and low for a lullaby, but not Spotify's.
    """
    import librosa

    centres = librosa.feature.spectral_centroid(y=mono, sr=RATE, hop_length=HOP)[0]
    centre = float(np.median(centres[centres > 0])) if (centres > 0).any() else DULL
    shares = [
        (level - QUIET) / (LOUD - QUIET),
        (notes / len(mono) * RATE - FEW) / (MANY - FEW),
        np.log(centre / DULL) / np.log(BRIGHT / DULL),
    ]
    return round(float(np.clip(shares, 0, 1).mean()), 4)
