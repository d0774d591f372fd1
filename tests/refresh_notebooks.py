"""Run the notebooks in place with the smoke profile: `make notebooks` [NN ...].

What is committed is what a reader sees first, so the outputs are kept, and everything that
differs from run to run or from machine to machine without saying anything is taken out.
"""

import base64
import io
import shutil
import sys
from pathlib import Path

import nbformat
import papermill
from PIL import Image

from albumlib.course import NOTEBOOKS, find_notebooks

GALLERY = {  # picture in figures/: the notebook that makes it, and a piece of the cell that does
    "networks.png": ("05_acgan", "diagram.networks("),
    "feature_sweeps.png": ("05_acgan", "plots.feature_sweeps("),
    "label_recovery.png": ("05_acgan", "plots.label_recovery_bars("),
    "one_album.png": ("05_acgan", "plots.album_row("),
    "albums.png": ("05_acgan", "drawn from the average of their songs"),
    "ladder.png": ("08_why_2021_failed", "plots.ladder("),
    "style.png": ("09_styles", "New albums, same latents"),
    "titles.png": ("10_track_names", "Covers drawn from a title and nothing else"),
    "lettering.png": ("11_lettering", "The same albums and the same latents"),
    "decades.png": ("12_popularity_and_time", "A latent a row, a decade a column"),
}
LARGE = 100_000  # characters of a picture
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def refresh(path: Path) -> None:
    """Run one notebook with its own parameters, which are those of the smoke profile."""
    notebook = papermill.execute_notebook(
        str(path), None, kernel_name="python3", cwd=str(path.parent), progress_bar=False
    )
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells, 1):
        tags = cell.metadata.get("tags", [])
        cell.metadata = {"tags": tags} if tags else {}
        cell.id = f"cell-{number:03d}"  # random ids would differ each time
        if cell.cell_type == "code":
            cell.outputs = [slim(output) for output in merged(cell.outputs)]
    nbformat.write(notebook, path)


def hang() -> None:
    """Renew `figures/` from the notebooks' outputs."""
    for name, (notebook, piece) in GALLERY.items():
        cells = nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", as_version=4).cells
        [outputs] = [c.outputs for c in cells if c.cell_type == "code" and piece in c.source]
        [picture] = [o.data["image/png"] for o in outputs if "image/png" in o.get("data", {})]
        path = NOTEBOOKS.parent / "figures" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(picture))


def slim(output: dict) -> dict:
    """An output whose picture, if it is a large one, has 256 colours: a third of the bytes."""
    data = output.get("data", {})
    if len(data.get("image/png", "")) > LARGE:
        with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as picture:
            small = io.BytesIO()
            picture.convert("RGB").quantize(256).save(small, "png", optimize=True)
        data["image/png"] = base64.b64encode(small.getvalue()).decode()
    return output


def merged(outputs: list) -> list:
    """Outputs with neighbouring pieces of one stream in one piece, however they arrived."""
    kept: list = []
    for output in outputs:
        output.pop("transient", None)
        output.get("data", {}).pop(WIDGET, None)  # beside it is a still; a widget needs a kernel
        last = kept[-1] if kept else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            kept.append(output)
    return kept


def main() -> None:
    """Refresh the notebooks named on the command line, or all of them in a fresh folder."""
    if not sys.argv[1:]:
        shutil.rmtree(NOTEBOOKS.parent / "data" / "smoke", ignore_errors=True)
    for path in find_notebooks(sys.argv[1:]):
        print(path.name, flush=True)
        refresh(path)
    hang()


if __name__ == "__main__":
    main()
