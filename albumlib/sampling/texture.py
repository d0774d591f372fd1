"""What a printing press adds, at print resolution: the grain of an ink, the dots of a halftone."""

import numpy as np
from PIL import Image

PAPER = np.array([250, 246, 238], np.float32)
# Process inks as they look on paper, and the angle of each one's screen in degrees.
SCREENS = (
    ((0, 152, 214), 15), ((226, 18, 122), 75), ((255, 230, 20), 0), ((34, 32, 36), 45),
)  # fmt: skip
DOTS = 120  # across a cover
FINEST = 6.0  # pixels from dot to dot, on small pictures
GAIN = 1.35  # above 1: less ink, since dots look darker than they are wide
GRAINS = 1400  # across a cover
SPECKS, MOTTLE = 0.5, 0.03  # how far paper shows through a speck; unevenness of the ink
# The proportion of the plane that lies higher than some heights of cos + cos.
WAVE = np.cos(2 * np.pi * (np.arange(200) + 0.5) / 200)
HEIGHTS = np.sort(np.add.outer(WAVE, WAVE).ravel())[::50]
HIGHER = 1 - np.linspace(0, 1, len(WAVE) ** 2)[::50]


def riso(pixels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Flat colours (S, S, 3) uint8 as a stencil duplicator prints them: inks mottled, and
    specks where they did not take."""
    rng, side = np.random.default_rng((seed, 1)), len(pixels)
    fine = _noise(rng, min(GRAINS, side), side)
    cloudy = _noise(rng, 130, side)
    bare = SPECKS * (1.2 * (fine + 0.5 * cloudy) - 1.9).clip(0, 1)
    ink = pixels + 255 * MOTTLE * (0.5 * fine + 0.5 * cloudy)[..., None].clip(-1.5, 1.5)
    return (ink + bare[..., None] * (PAPER - ink)).clip(0, 255).round().astype(np.uint8)


def halftone(pixels: np.ndarray, seed: int = 0) -> np.ndarray:
    """A picture (S, S, 3) uint8 in dots of cyan, magenta, yellow and black on paper."""
    amounts = _separations(pixels)
    printed = np.broadcast_to(PAPER, pixels.shape).copy()
    for (ink, angle), amount in zip(SCREENS, amounts, strict=True):
        covered = _dots(amount, angle)[..., None]
        printed *= 1 - covered * (1 - np.array(ink, np.float32) / 255)
    return printed.round().astype(np.uint8)


def _separations(pixels: np.ndarray) -> list[np.ndarray]:
    """How much cyan, magenta, yellow and black, 0 to 1, each pixel takes."""
    lack = 1 - pixels.astype(np.float32) / 255
    black = lack.min(-1) ** 2.2  # little in light tones, where it would look dirty
    rest = (lack - black[..., None]) / np.maximum(1 - black[..., None], 1e-3)
    return [*np.moveaxis(rest.clip(0, 1) ** GAIN, -1, 0), 0.9 * black]


def _dots(amount: np.ndarray, angle: float) -> np.ndarray:
    """Coverage, 0 to 1, of a screen of dots whose area is the amount (S, S)."""
    side, turn = len(amount), np.deg2rad(angle)
    period = max(side / DOTS, FINEST)
    steps = 2 * np.pi / period * np.arange(side, dtype=np.float32)
    along = np.cos(turn) * steps[None, :] + np.sin(turn) * steps[:, None]
    across = np.cos(turn) * steps[:, None] - np.sin(turn) * steps[None, :]
    height = np.interp(np.cos(along) + np.cos(across), HEIGHTS, HIGHER).astype(np.float32)
    return ((amount - height) * period / 3 + 0.5).clip(0, 1) * (amount > 0.01)


def _noise(rng: np.random.Generator, cells: int, side: int) -> np.ndarray:
    """Normal noise (side, side) whose grains are a `cells`-th of the side."""
    noise = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC))


TEXTURES = {"riso": riso, "halftone": halftone}
