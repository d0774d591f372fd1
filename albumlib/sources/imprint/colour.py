"""Colours in OKLCH (Ottosson 2020), where lightness, chroma and hue mean what they say."""

from __future__ import annotations

import numpy as np

Colour = tuple[int, int, int]

LAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728],
     [1, -0.0894841775, -1.2914855480]]
)  # fmt: skip
LMS_TO_RGB = np.array(
    [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
     [-0.0041960863, -0.7034186147, 1.7076147010]]
)  # fmt: skip
CHROMAS = np.linspace(0, 0.34, 69)  # the screen shows none above


def colours(lightness: np.ndarray, purity: np.ndarray, hue: np.ndarray) -> list[Colour]:
    """Colours of n lightnesses (0 to 1), purities and hues in degrees.

    Purity is the chroma as a proportion of the most that a screen shows at that lightness and
    hue: 0 is grey and 1 as vivid as it gets, whatever the hue.
    """
    tried = _linear_rgb(lightness[:, None], CHROMAS, hue[:, None])
    shown = ((tried > -0.001) & (tried < 1.001)).all(-1)
    most = CHROMAS[shown.cumprod(1).sum(1).clip(1) - 1]
    rgb = _linear_rgb(lightness, purity * most, hue).clip(0, 1)
    encoded = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return [tuple(colour) for colour in (255 * encoded).round().astype(int).tolist()]


def contrast(first: Colour, second: Colour) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2)."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: Colour) -> float:
    """Relative luminance, 0 to 1, of an sRGB colour."""
    red, green, blue = ((value / 255) ** 2.2 for value in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear_rgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    angle = np.deg2rad(hue)
    lab = np.broadcast_arrays(lightness, chroma * np.cos(angle), chroma * np.sin(angle))
    return (np.stack(lab, -1) @ LAB_TO_LMS.T) ** 3 @ LMS_TO_RGB.T
