"""The explorer as a page of its own: `python -m albumlib explore`, served by Voila on this machine.

The page is one small notebook, written when it is asked for; whoever opens it gets a kernel.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from albumlib import AlbumlibError
from albumlib.dataset.coverset import FOLDER, CoverSet, CoverSetError
from albumlib.models.checkpoint import load_generator
from albumlib.runtime.names import today
from albumlib.runtime.paths import ASSETS, PRETRAINED
from albumlib.runtime.progress import Progress, silent

MODELS = ("acgan", "acgan_wgan_logan", "listener", "wgan_logan")  # the first is shown first
ALBUMS = 600  # of the built-in imprint, where there is no cover set to explore
PAGE = """\
from IPython.display import HTML, display
from albumlib.dataset.coverset import CoverSet
from albumlib.explorer.app import Explorer

display(HTML({script!r}))
covers = CoverSet.open({coverset!r})
Explorer({models!r}, covers, {pictures!r}, largest_link={largest}).widget"""
HEADING = """\
# Covers from sound

Move a slider and the cover follows. Behind each slider lie the values of {whose}."""
IDLE = 180  # seconds after which the kernel of a page that was closed is ended
LARGEST = 64 * 2**20  # bytes of an upload, or of a picture to download
# The style of the widgets comes before them, and the heading is short: the picture is seen at once.
STYLE = f"""<style>{(ASSETS / "explorer.css").read_text(encoding="utf-8")}</style>"""
HEADING_STYLE = """<style>
h1 { font-size: 1.5rem !important; margin: 0 0 4px !important }
@media (max-width: 760px), (max-height: 500px) { h1 + p { display: none } }
</style>"""
# What ipywidgets does not say of its sliders: their names, and their values without rounding.
SCRIPT = f"<script>{(ASSETS / 'explorer.js').read_text(encoding='utf-8')}</script>"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


class ExploreError(AlbumlibError):
    """The explorer cannot be served; the message says what to do."""


def pretrained() -> dict[str, Path]:
    """The models that come with the course, by name. Raises ExploreError if there are none."""
    known = {name: PRETRAINED / f"{name}.safetensors" for name in MODELS}
    found = {name: file for name, file in known.items() if file.exists()}
    if not found:
        raise ExploreError("there are no pretrained models here: name one with --model")
    return found


def cover_set(folder: Path, progress: Progress = silent, albums: int = ALBUMS) -> Path:
    """The cover set in `folder`; if there is none, so many albums of the built-in imprint."""
    from albumlib.dataset.cleaning import clean
    from albumlib.dataset.gathering import gather
    from albumlib.sources.imprint.imprint import Imprint

    made = folder / FOLDER
    try:
        CoverSet.open(made)
    except CoverSetError:
        gather(Imprint(albums=albums), folder, size=64, progress=progress)
        clean(folder, size=64, progress=progress)
    return made


def write_page(folder: str | Path, models: Mapping[str, str | Path], coverset: str | Path) -> Path:
    """The notebook that Voila serves, in `folder`, where saved pictures go too.

    Raises CoverSetError if there is no cover set with labels, TrainingError for a model that
    cannot be opened: better here than on the page.
    """
    import nbformat  # takes a second, which the kernel of each page would spend as well

    covers = CoverSet.open(coverset).with_labels()
    for path in models.values():
        load_generator(path)
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    code = PAGE.format(
        models={name: str(Path(path).absolute()) for name, path in models.items()},
        coverset=str(Path(coverset).absolute()),
        pictures=str(folder),
        script=STYLE + HEADING_STYLE + SCRIPT,
        largest=LARGEST,
    )
    heading = HEADING.format(whose=whose(covers))
    cells = [nbformat.v4.new_markdown_cell(heading), nbformat.v4.new_code_cell(code)]
    about = {"title": "Covers from sound", "kernelspec": KERNEL}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=about), folder / "explorer.ipynb")
    return folder / "explorer.ipynb"


def whose(covers: CoverSet) -> str:
    """Whose values a cover set holds: invented ones are not said to be real.

    >>> import numpy as np, pandas as pd
    >>> empty = np.zeros((0, 64, 64, 3), np.uint8), pd.DataFrame(), pd.DataFrame()
    >>> whose(CoverSet(*empty, {"source": "imprint"}))
    "the imprint's albums, which are invented"
    """
    source = today(str(covers.manifest.get("source", "")))
    return "the imprint's albums, which are invented" if "imprint" in source else "real albums"


def command(page: Path, port: int, browser: bool, idle: int = IDLE) -> list[str]:
    """How Voila is started; it serves this machine only. ExploreError if it is missing.

    The kernel of a page that nobody looks at any more is ended after `idle` seconds.
    """
    if find_spec("voila") is None:
        raise ExploreError("Voila serves the explorer: pip install voila")
    shown = [] if browser else ["--no-browser"]
    return [
        sys.executable, "-m", "voila", str(page), f"--port={port}", *shown,
        f"--MappingKernelManager.cull_idle_timeout={idle}",
        f"--MappingKernelManager.cull_interval={max(1, idle // 6)}",
        f"--ZMQChannelsWebsocketConnection.iopub_data_rate_limit={10 * LARGEST}",
        f"--Voila.tornado_settings={{'websocket_max_message_size': {2 * LARGEST}}}",
    ]  # fmt: skip
