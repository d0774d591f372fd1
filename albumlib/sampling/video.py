"""Interpolation videos: from one request to the next, as GIF or MP4."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from albumlib.models.networks import Generator
from albumlib.runtime.progress import Progress, silent
from albumlib.sampling import latent
from albumlib.sampling.request import Request, RequestError, contact_sheet, enlarge

FRAMES_A_SECOND = 24


def between(first: Request, last: Request, share: float, generator: Generator) -> np.ndarray:
    """Covers (n, S, S, 3) at `share` of the way, from 0 to 1.

    Latents are interpolated along an arc, labels linearly; a label that one of the two leaves open,
    and a title, are those of the nearer one. Raises RequestError if they differ in how many.
    """
    if len(first.seeds) != len(last.seeds):
        raise RequestError("all key frames of a video must show as many covers")
    ends = [request.latents(generator) for request in (first, last)]
    z = torch.stack([latent.slerp(*pair, share) for pair in zip(*ends, strict=True)])
    conditions = [request.conditions(generator) for request in (first, last)]
    if conditions[0] is None:
        return latent.draw(generator, z, None)
    rows = conditions[int(share >= 0.5)].copy()
    labels = [row[:, : generator.labels] for row in conditions]
    mixed = (1 - share) * labels[0] + share * labels[1]
    rows[:, : generator.labels] = np.where(np.isfinite(mixed), mixed, rows[:, : generator.labels])
    return latent.draw(generator, z, rows)


def frames(
    requests: Sequence[Request], generator: Generator, each: int, loop: bool = False
) -> Iterator[np.ndarray]:
    """Covers of a video through all requests, `each` frames from one to the next; with `loop` it
    ends where it began."""
    for first, last in itertools.pairwise([*requests, *requests[: int(loop)]]):
        for number in range(each):
            yield between(first, last, number / each, generator)
    if not loop:
        yield between(requests[-1], requests[-1], 0.0, generator)


def write(
    requests: Sequence[Request],
    generator: Generator,
    path: str | Path,
    *,
    seconds: float = 2.0,
    size: int = 256,
    loop: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write a video that takes `seconds` from each request to the next, covers `size` px wide.

    `path` ends in .gif, .webp or .mp4. Raises RequestError for another ending, or fewer than two
    requests.
    """
    path = Path(path)
    if len(requests) < 2:
        raise RequestError("a video needs two key frames at least, to go from one to the other")
    if path.suffix.lower() not in WRITERS:
        raise RequestError(f"a video's name must end in .gif, .webp or .mp4, not {path.name}")
    each = max(1, round(seconds * FRAMES_A_SECOND))
    count = each * (len(requests) - 1 + loop) + (not loop)
    columns = max(1, int(len(requests[0].seeds) ** 0.5))
    size = max(size, generator.size)

    def sheets() -> Iterator[np.ndarray]:
        for number, covers in enumerate(frames(requests, generator, each, loop), 1):
            yield contact_sheet(enlarge(covers, size), columns)
            progress("frames", number, count)

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished_{path.name}")
    try:
        WRITERS[path.suffix.lower()](unfinished, sheets())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _animated(path: Path, pictures: Iterable[np.ndarray]) -> None:
    """A GIF, in 256 colours, or a WebP, in all and a fifth as large."""
    first, *rest = (Image.fromarray(picture) for picture in pictures)
    pause = round(1000 / FRAMES_A_SECOND)
    smaller = {"optimize": True} if path.suffix.lower() == ".gif" else {"quality": 65}
    first.save(path, save_all=True, append_images=rest, duration=pause, loop=0, **smaller)


def _mp4(path: Path, pictures: Iterable[np.ndarray]) -> None:
    """H.264 with colours as every player shows them, which wants even sides."""
    import av

    pictures = iter(pictures)
    first = next(pictures)
    height, width = (side - side % 2 for side in first.shape[:2])
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(FRAMES_A_SECOND))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "18"}
        for picture in itertools.chain([first], pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


WRITERS = {".gif": _animated, ".webp": _animated, ".mp4": _mp4}
