"""The colours of all figures: Okabe and Ito's for colour-blind people, a little calmer."""

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap

from albumlib.runtime.paths import ASSETS

STYLE = mpl.rc_params_from_file(ASSETS / "figures.mplstyle", use_default_template=False)
BLUE, ORANGE, GREEN, ROSE, GOLD, SKY = COLOURS = STYLE["axes.prop_cycle"].by_key()["color"]
INK, MUTED, GRID = (STYLE[key] for key in ("text.color", "axes.labelcolor", "grid.color"))
PALE, MIDDLE = "#f1efea", "#f7f6f3"
DIVERGING = LinearSegmentedColormap.from_list("albumlib", [ORANGE, MIDDLE, BLUE])
DISTANCES = LinearSegmentedColormap.from_list("distances", [MIDDLE, SKY, BLUE])
