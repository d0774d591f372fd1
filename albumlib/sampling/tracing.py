"""A small picture as a few flat colours with smooth outlines, as if cut from paper: an SVG.

The palette is found in OKLab among the pixels around which the picture is flat. Each pixel then
takes the colour that is nearest to its own *and* common among the flat pixels near it, so that no
seam of a third colour runs along an edge.
"""

import io
import re
from functools import partial

import numpy as np
from PIL import Image
from scipy import ndimage

from albumlib.sources.imprint.colour import from_oklab, to_oklab

SIDE = 512  # pixels, and units of the SVG's coordinates
WORK = 256  # pixels a side at which colours are assigned
COLOURS = 12  # at most
ALIKE = 0.05  # distance in OKLab below which two colours become one
FLAT = 0.02  # gradient in OKLab, per pixel of WORK, at which a pixel counts half
NOISE, AGREEMENT = 0.03, 2.0  # of a pixel's colour, in OKLab; weight of its neighbourhood
GRAIN, NEAR, ROUND = 0.9, 2.4, 1.6  # widths of the three blurs, in pixels of WORK
# What is smaller than 14 × 14 px of 512 is dropped; the rest are degrees and pixels of vtracer.
TRACER = {
    "colormode": "color", "hierarchical": "stacked", "mode": "spline", "filter_speckle": 14,
    "color_precision": 8, "layer_difference": 0, "corner_threshold": 60, "length_threshold": 6.0,
    "splice_threshold": 45, "path_precision": 1,
}  # fmt: skip


def flatten(cover: np.ndarray, colours: int = COLOURS) -> tuple[np.ndarray, np.ndarray]:
    """Which of a few colours each pixel has: indices (512, 512), and the palette (K, 3) uint8,
    the most frequent colour first, of a cover (S, S, 3) uint8. K is `colours` at most."""
    large = _zoomed(to_oklab(cover), (WORK / len(cover), WORK / len(cover), 1), order=3)
    lab = ndimage.gaussian_filter(large, (GRAIN, GRAIN, 0))
    flat = _flatness(lab)
    palette = _palette(lab, flat, colours)
    distance = np.stack([((lab - colour) ** 2).sum(-1) for colour in palette])
    near = _blurred(distance.argmin(0), len(palette), flat, NEAR)
    nearest = (distance / (2 * NOISE**2) - AGREEMENT * np.log(near + 1e-4)).argmin(0)
    indices = _enlarged_indices(nearest, len(palette))
    order = np.argsort(-np.bincount(indices.ravel(), minlength=len(palette)), kind="stable")
    return np.argsort(order)[indices], from_oklab(palette[order])


_zoomed = partial(ndimage.zoom, mode="nearest", grid_mode=True)


def _flatness(lab: np.ndarray) -> np.ndarray:
    """1 where a picture (S, S, 3) is flat, and towards 0 on its edges: (S, S)."""
    slopes = [ndimage.sobel(lab, axis=axis) / 8 for axis in (0, 1)]
    return 1 / (1 + (sum((slope**2).sum(-1) for slope in slopes) / FLAT**2) ** 2)


def _palette(lab: np.ndarray, flat: np.ndarray, colours: int) -> np.ndarray:
    """Up to `colours` colours (K, 3) of a picture (S, S, 3), weighted by flatness."""
    from sklearn.cluster import KMeans  # slow to import, and most covers are not traced

    points, weights = lab[::4, ::4].reshape(-1, 3), flat[::4, ::4].ravel()
    colours = min(colours, len(np.unique(points.round(3), axis=0)))
    found = KMeans(colours, n_init=2, random_state=0).fit(points, sample_weight=weights)
    palette = found.cluster_centers_
    areas = np.bincount(found.labels_, weights, minlength=colours) + 1e-9
    while len(palette) > 1:
        apart = np.linalg.norm(palette[:, None] - palette, axis=-1) + np.diag([9.0] * len(palette))
        one, other = np.unravel_index(apart.argmin(), apart.shape)
        if apart[one, other] >= ALIKE:
            break
        palette[one] = np.average(palette[[one, other]], axis=0, weights=areas[[one, other]])
        areas[one] += areas[other]
        palette, areas = np.delete(palette, other, 0), np.delete(areas, other)
    return palette


def _blurred(
    indices: np.ndarray, count: int, weights: np.ndarray | float, width: float
) -> np.ndarray:
    """How much of each colour there is around each pixel: (count, S, S)."""
    return np.stack([
        ndimage.gaussian_filter(weights * (indices == index), width, mode="nearest")
        for index in range(count)
    ])  # fmt: skip


def _enlarged_indices(indices: np.ndarray, count: int) -> np.ndarray:
    """Indices (WORK, WORK) at SIDE, with smooth outlines."""
    shares = _blurred(indices, count, np.float32(1), ROUND)
    scale = (1, SIDE / WORK, SIDE / WORK)
    return _zoomed(shares, scale, order=1).argmax(0)


def trace(indices: np.ndarray, palette: np.ndarray) -> str:
    """The outlines of a flattened picture as SVG paths, those behind first. Needs vtracer."""
    import vtracer

    file = io.BytesIO()
    Image.fromarray(palette[indices]).save(file, "png")
    svg = vtracer.convert_raw_image_to_svg(file.getvalue(), "png", **TRACER)
    return "\n".join(re.findall(r"<path [^>]*>", svg))
