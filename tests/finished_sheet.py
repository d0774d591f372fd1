"""Finished covers on one sheet, for the gallery: python tests/finished_sheet.py FOLDER OUT.png"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from albumlib.sampling.request import contact_sheet

SIDE, GAP, COLUMNS, COLOURS = 384, 12, 4, 256


def main(folder: Path, out: Path) -> None:
    """Write a sheet of all PNGs of a folder, in the order of their names, white between them."""
    cells = []
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        cells.append(np.pad(small, ((0, GAP), (0, GAP), (0, 0)), constant_values=255))
    sheet = Image.fromarray(contact_sheet(np.stack(cells), COLUMNS)[:-GAP, :-GAP])
    sheet.quantize(COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
