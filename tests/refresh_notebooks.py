"""Renew what is committed of the notebooks: `make notebooks`, after a course of the laptop profile.

The outputs of a chapter are those of that course, since a reader sees them first: a moment's
training, as in the smoke profile, would teach nothing. Solutions run here, in small. What differs
from run to run or from machine to machine without saying anything is taken out. With --figures
only the pictures in figures/ are renewed, from the outputs that are committed.
"""

import base64
import io
import re
import shutil
import sys
from pathlib import Path

import nbformat
import papermill
from nbformat import NotebookNode
from PIL import Image

from albumlib.course.chapters import compact
from albumlib.course.planning import NOTEBOOKS, find_notebooks

GALLERY = {  # picture in figures/: the notebook that makes it, a piece of the cell, what one sees
    "funnel": ("02_cleaning", "figures.funnel(", "from gathered files to covers in the set"),
    "training": ("04_wgan_logan", "figures.sample_history(", "the same latents while training"),
    "logan": ("04_wgan_logan", "Four variants of the latent step", "LOGAN's step, ablated"),
    "nearest": (
        "04_wgan_logan",
        "the training covers nearest",
        "generated covers are no copies",
    ),
    "networks": ("05_acgan", "diagram.networks(", "both networks"),
    "feature_sweeps": ("05_acgan", "figures.feature_sweeps(", "one feature turned in each row"),
    "label_recovery": (
        "05_acgan",
        "figures.label_recovery_bars(",
        "labels predicted from generated covers",
    ),
    "one_album": ("05_acgan", "figures.album_row(", "one album, a cover for each song"),
    "albums": ("05_acgan", "from the mean of their songs", "one cover for an album"),
    "shared_label": ("06_latent_explorer", "pulled to the middle", "one label, many latents"),
    "ladder": (
        "08_why_2021_failed",
        "figures.ladder(",
        "2021, repaired step by step",
    ),
    "averages": ("08_why_2021_failed", "Eight albums, each", "albums' averages, then and now"),
    "titles": ("10_track_names", "rows = {title:", "covers from titles and nothing else"),
    "decades": (
        "12_popularity_and_time",
        "A latent a row",
        "the same latents through the decades",
    ),
}
CHAPTERS = {  # for the README's table: a piece of the cell; left, top and width of what is cut out
    "01_scraping": ("Twenty-four covers", (0, 36, 400)),
    "02_cleaning": ("figures.before_after(", (88, 36, 400)),
    "03_label_eda": ("figures.correlations(tracks)", (0, 58, 520)),
    "04_wgan_logan": (" pulled to the middle", (0, 64, 400)),
    "05_acgan": ("figures.feature_sweeps(", (145, 330, 647)),
    "06_latent_explorer": ("sliders[NAMES.index", (0, 0, 256)),
    "07_evaluation": ("figures.damage_curves(", (0, 44, 400)),
    "08_why_2021_failed": ("show_steps(Path(measured)", (186, 574, 206)),
    "09_styles": ("New albums, same latents", (70, 36, 360)),
    "10_track_names": ("rows = {title:", (100, 36, 400)),
    "11_lettering": ("The same albums and the same latents", (200, 36, 400)),
    "12_popularity_and_time": ("A latent a row", (0, 40, 400)),
    "13_quantum_prior": ('draw("mpl"', (0, 0, 360)),
    "14_real_music": ("figures.shown_by_covers(shown", (0, 60, 400)),
}
FIGURES = NOTEBOOKS.parent / "figures"
COURSE = NOTEBOOKS.parent / "runs" / "laptop"
PACE = re.compile(r"^.* more will take about .*\n|(?<=\d), [^,\n]* left$", re.MULTILINE)
INJECTED = "injected-parameters"  # papermill's name for the cell that it adds
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def executed(path: Path) -> NotebookNode:
    """The notebook, run with its own parameters, which are those of the smoke profile."""
    return papermill.execute_notebook(
        str(path), None, kernel_name="python3", cwd=str(path.parent), progress_bar=False
    )


def of_the_course(path: Path) -> NotebookNode:
    """The chapter as it is, with the outputs of the course. SystemExit if it ran another text."""
    notebook = nbformat.read(path, as_version=4)
    ran = nbformat.read(COURSE / path.name, as_version=4)
    ran.cells = [cell for cell in ran.cells if INJECTED not in cell.metadata.get("tags", [])]
    sources = [[c.source for c in one.cells if c.cell_type == "code"] for one in (notebook, ran)]
    if sources[0] != sources[1]:
        raise SystemExit(f"{path.name} is not what {COURSE / path.name} ran: run the course again")
    outputs = iter([cell.outputs for cell in ran.cells if cell.cell_type == "code"])
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = next(outputs)
    return notebook


def write(notebook: NotebookNode, path: Path) -> None:
    """Write it with what says something."""
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells, 1):
        tags = cell.metadata.get("tags", [])
        cell.metadata = {"tags": tags} if tags else {}
        cell.id = f"cell-{number:03d}"  # random ids would differ each time
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, 1):
        cell.execution_count = count  # papermill's own cell is not counted
        cell.outputs = [slim(output) for output in merged(cell.outputs)]
        for output in cell.outputs:
            output |= {"execution_count": count} if "execution_count" in output else {}
    nbformat.write(notebook, path)


PAGE = (
    "[page](page) is `acgan` as a web page, made by `make page`; "
    "`python -m http.server --directory figures/page` shows it."
)

BY_HAND = {  # of the pretrained model; no notebook makes them
    "finished.png": "Twelve finished covers: the songs of songs.csv, by `make figures`",
    "beside_real.jpg": "64 generated covers, and 64 of the imprint's own for other labels",
    "long_training.jpg": "`acgan_start` in its first part: the same latents after 16,000, 64,000, "
    "128,000 and 192,000 covers",
}


def hang(notebooks: Path) -> None:
    """Renew `figures/` from the notebooks' outputs, with a page that shows all of them, and a
    small picture of each chapter for the README."""
    lines = ["# Gallery", "", "Made by `make figures`: each picture is an output of a notebook."]
    lines += ["", PAGE]
    for name, words in BY_HAND.items():
        lines += ["", f"### {words}", "", f"![{words.lower()}]({name})"]
    for name, (notebook, piece, words) in GALLERY.items():
        data, kind, _ = pictured(notebooks, notebook, piece)
        for old in FIGURES.glob(f"{name}.*"):
            old.unlink()
        file = FIGURES / f"{name}.{'png' if kind == 'image/png' else 'jpg'}"
        file.write_bytes(data)
        title = f"{words[0].upper()}{words[1:]} ([{notebook}](../notebooks/{notebook}.ipynb))"
        lines += ["", f"### {title}", "", f'<img src="{file.name}" width="792" alt="{words}">']
    (FIGURES / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (FIGURES / "chapters").mkdir(exist_ok=True)
    for notebook, (piece, (left, top, width)) in CHAPTERS.items():
        data, _, shown = pictured(notebooks, notebook, piece)
        with Image.open(io.BytesIO(data)) as picture:
            scale = picture.width / shown if shown else 1
            box = (left, top, left + width, top + 3 * width // 4)
            part = picture.convert("RGB").crop([round(scale * side) for side in box])
        small = part.resize((200, 150), Image.Resampling.LANCZOS)
        small.save(FIGURES / "chapters" / f"{notebook[:2]}.jpg", quality=92, subsampling=0)


def pictured(notebooks: Path, notebook: str, piece: str) -> tuple[bytes, str, int]:
    """The picture that the cell with this piece of code has drawn, its MIME type, and how many
    pixels wide it is shown (0: as many as it has)."""
    cells = nbformat.read(notebooks / f"{notebook}.ipynb", as_version=4).cells
    [outputs] = [c.outputs for c in cells if c.cell_type == "code" and piece in c.source]
    kinds = ("image/png", "image/jpeg")
    [(output, kind)] = [(o, k) for o in outputs for k in kinds if k in o.get("data", {})]
    width = output.get("metadata", {}).get(kind, {}).get("width", 0)
    return base64.b64decode(output.data[kind]), kind, width


def slim(output: dict) -> dict:
    """An output whose picture, if it is a large one, is a JPEG."""
    data = output.get("data", {})
    if "image/png" in data:
        kind, picture = compact("image/png", data.pop("image/png").replace("\n", ""))
        data[kind] = picture
        sizes = output["metadata"]
        sizes |= {kind: sizes.pop("image/png")} if "image/png" in sizes else {}
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
    for output in kept:
        if output.output_type == "stream":
            output.text = PACE.sub("", output.text)  # of one machine at one hour
    return kept


def main() -> None:
    """Renew the notebooks named on the command line, or all of them, and then the gallery."""
    figures, names = sys.argv[1:] == ["--figures"], sys.argv[1:]
    if not names:
        shutil.rmtree(NOTEBOOKS.parent / "data" / "smoke", ignore_errors=True)
    for path in () if figures else find_notebooks(names):
        print(path.name, flush=True)
        write(of_the_course(path), path)
        solved = path.parent / "solutions" / path.name
        if solved.exists():
            executed(path)  # makes what the solutions begin with
            write(executed(solved), solved)
    hang(NOTEBOOKS)


if __name__ == "__main__":
    main()
