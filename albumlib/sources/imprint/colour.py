"""Colours in OKLab and OKLCH (Ottosson 2020): lightness, chroma and hue mean what they say."""

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
LINEAR = np.arange(256) / 255  # linear light of each sRGB value
LINEAR = np.where(LINEAR <= 0.04045, LINEAR / 12.92, ((LINEAR + 0.055) / 1.055) ** 2.4)
CHROMAS = np.linspace(0, 0.34, 69)  # the screen shows none above


def colours(lightness: np.ndarray, purity: np.ndarray, hue: np.ndarray) -> list[Colour]:
    """Colours of n lightnesses (0 to 1), purities and hues in degrees.

    Purity is the chroma as a proportion of the most that a screen shows at that lightness and
    hue: 0 is grey and 1 as vivid as it gets, whatever the hue.
    """
    tried = _linear_rgb(lightness[:, None], CHROMAS, hue[:, None])
    shown = ((tried > -0.001) & (tried < 1.001)).all(-1)
    most = CHROMAS[shown.cumprod(1).sum(1).clip(1) - 1]
    encoded = _encoded(_linear_rgb(lightness, purity * most, hue))
    return [tuple(colour) for colour in encoded.astype(int).tolist()]


def to_oklab(pixels: np.ndarray) -> np.ndarray:
    """OKLab (..., 3) of sRGB pixels (..., 3) uint8: lightness 0 to 1, then green-red, blue-yellow.

    >>> to_oklab(np.array([255, 0, 0], np.uint8)).round(2).tolist()
    [0.63, 0.22, 0.13]
    """
    return np.cbrt(LINEAR[pixels] @ np.linalg.inv(LMS_TO_RGB).T) @ np.linalg.inv(LAB_TO_LMS).T


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """The nearest sRGB pixels (..., 3) uint8 of colours in OKLab (..., 3)."""
    return _encoded((lab @ LAB_TO_LMS.T) ** 3 @ LMS_TO_RGB.T).astype(np.uint8)


def relative_luminance(pixels: np.ndarray) -> np.ndarray:
    """Relative luminance (...), 0 to 1, of sRGB pixels (..., 3) uint8, exactly as WCAG 2 has it;
    the laws' `luminance` is a shorter approximation of it."""
    shares = (0.2126, 0.7152, 0.0722)
    return sum(share * LINEAR[pixels[..., index]] for index, share in enumerate(shares))


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


def _encoded(linear: np.ndarray) -> np.ndarray:
    """Linear light as sRGB, whole numbers from 0 to 255."""
    rgb = linear.clip(0, 1)
    encoded = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return (255 * encoded).round()
