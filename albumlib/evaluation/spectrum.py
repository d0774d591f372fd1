"""How sharp are covers? The power of their luminance by spatial frequency, and what edges and grain
have of it: what feature extractors forgive and every eye sees. Compare ratios to real covers of the
same size, which went through the same resizing and JPEG. Pixels are uint8 arrays (N, S, S, 3).
"""

from functools import cache

import numpy as np

LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
HALF_NYQUIST = 0.25  # cycles a pixel
GAUSSIAN = 0.6745  # the median of |x| for x of a standard normal distribution


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Luminance (N, S, S) float32, 0 to 255."""
    return pixels.astype(np.float32) @ LUMINANCE


def radial_spectrum(pixels: np.ndarray) -> np.ndarray:
    """Mean power of each cover's luminance in rings of one cycle a cover: (N, R) float64.

    Ring r holds the spatial frequencies of about (r + 1) / S cycles a pixel, from the second on;
    the last ones lie in the corners beyond Nyquist's 0.5.
    """
    rings = _rings(pixels.shape[1])
    count = np.bincount(rings.ravel())[1:]
    found = [
        np.bincount(rings.ravel(), np.square(np.abs(np.fft.fft2(one))).ravel())[1:] / count
        for one in luminance(pixels)
    ]
    return np.stack(found) / pixels.shape[1] ** 2


def frequencies(size: int) -> np.ndarray:
    """The middle of each ring of `radial_spectrum` in cycles a pixel, (R,)."""
    return np.arange(1, _rings(size).max() + 1) / size


@cache
def _rings(size: int) -> np.ndarray:
    """The ring of each coefficient of a Fourier transform, (S, S); 0 is the mean."""
    steps = np.fft.fftfreq(size) * size
    return np.hypot(steps[:, None], steps).round().astype(int)


def edge_energy(spectrum: np.ndarray, size: int) -> float:
    """Mean power above half of Nyquist, from the spectra (N, R) of covers of `size` pixels."""
    return float(spectrum[:, frequencies(size) >= HALF_NYQUIST].mean())


def grain(pixels: np.ndarray) -> np.ndarray:
    """The variance of each cover's noise in squared grey levels, edges left out: (N,) float32.

    The median magnitude of the diagonal Haar coefficients of a cover, which few edges reach,
    estimates its noise (Donoho and Johnstone 1994).
    """
    grey = luminance(pixels)
    even = grey.shape[1] // 2 * 2
    a, b = grey[:, :even:2, :even:2], grey[:, :even:2, 1:even:2]
    c, d = grey[:, 1:even:2, :even:2], grey[:, 1:even:2, 1:even:2]
    return np.square(np.median(np.abs(a - b - c + d) / 2, axis=(1, 2)) / GAUSSIAN)
