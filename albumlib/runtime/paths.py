"""Places of the package and of the checkout that it runs from."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
ASSETS = PACKAGE / "assets"
NOTEBOOKS = PACKAGE.parent / "notebooks"
DATA = PACKAGE.parent / "data"
PRETRAINED = DATA / "pretrained"
MEASURED = DATA / "measured"
