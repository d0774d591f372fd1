"""Finished covers on one sheet, for the gallery: python tests/finished_sheet.py FOLDER OUT.png"""

import sys
from pathlib import Path

from PIL import Image

SIDE, GAP, COLUMNS, COLOURS = 384, 12, 4, 256


def main(folder: Path, out: Path) -> None:
    """Write a sheet of all PNGs of a folder, in the order of their names, white between them."""
    paths = sorted(folder.glob("*.png"))
    rows, step = -(-len(paths) // COLUMNS), SIDE + GAP
    sheet = Image.new("RGB", (COLUMNS * step - GAP, rows * step - GAP), "white")
    for number, path in enumerate(paths):
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        sheet.paste(small, (number % COLUMNS * step, number // COLUMNS * step))
    sheet.quantize(COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
