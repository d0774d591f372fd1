"""From moving a slider to the new picture's bytes in the widget: how long, for 1, 16, 64 covers.

Beside it stands what the generator's own work takes, the baseline: the rest is the explorer's. The
way through the kernel's sockets and the browser is not in it. Then the same for the exported page
in Chromium, from the slider to the picture on the canvas, and how long it takes to open.
"""

import argparse
import json
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from albumlib import features
from albumlib.dataset.coverset import CoverSet
from albumlib.explorer.app import Explorer
from albumlib.models.checkpoint import load_generator
from albumlib.sampling import export
from tests.browsers import CHROMIUM, opened

ROOT = Path(__file__).parents[2]


def label_only(size: int) -> CoverSet:
    """A cover set with labels for the sliders; its pictures are noise."""
    rng = np.random.default_rng(0)
    values = features.from_unit(rng.uniform(-0.5, 0.5, (500, features.COUNT)))
    table = pd.DataFrame(values, columns=list(features.NAMES))
    table["album"], table["artist"], table["split"] = "album", "artist", "train"
    images = rng.integers(0, 255, (500, size, size, 3), dtype=np.uint8)
    return CoverSet(images, table, table.assign(row=range(500), name="song"), {})


def latencies(explorer: Explorer, covers: int, repeats: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each move, and of drawing alone."""
    explorer.latents.grid.value = covers
    slider, moves, draws = explorer.wait().features.sliders[3], [], []
    for value in np.random.default_rng(1).permutation(np.linspace(0, 1, repeats)):
        arrived: list[float] = []  # the picture as it is, then enlarged
        explorer.view.picture.observe(lambda _, to=arrived: to.append(time.perf_counter()), "value")
        started = time.perf_counter()
        slider.value = float(value)
        explorer.wait()
        moves.append(1000 * (arrived[0] - started))
        explorer.view.picture.unobserve_all("value")
        started = time.perf_counter()
        explorer.request.draw(explorer.generator)
        draws.append(1000 * (time.perf_counter() - started))
    return moves, draws


MOVES = """async ([moves]) => {
    const cover = document.getElementById("cover"), times = [];
    const slider = document.querySelectorAll("#features .slide")[3];
    for (let i = 0; i < moves; i++) {
        const drawn = new Promise(done => new MutationObserver(done).observe(cover,
            { attributeFilter: ["data-shown"] }));
        const started = performance.now();
        slider.value = (i * 37) % 101;
        slider.dispatchEvent(new Event("input"));
        await drawn;
        times.push(performance.now() - started);
    }
    return times;
}"""


def of_page(checkpoint: Path, moves: int) -> dict[str, float]:
    """The page's numbers; none where there is no Chromium or npm."""
    if not (CHROMIUM and shutil.which("npm")):
        return {}
    with TemporaryDirectory() as folder, opened("chromium") as tab:
        page = export.export(load_generator(checkpoint), folder)["page"]
        started = time.perf_counter()
        tab.open(page.as_uri())
        tab.wait("document.getElementById('cover').dataset.shown")
        first = time.perf_counter() - started
        times = tab.page.evaluate(MOVES, [moves])
        return {
            "page_median_ms": round(float(np.median(times)), 1),
            "page_worst_ms": round(max(times), 1),
            "page_first_s": round(first, 1),
            "page_mb": round(page.stat().st_size / 1e6, 1),
        }


def main() -> None:
    """Print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    checkpoint = ROOT / "data" / "pretrained" / "acgan.safetensors"
    parser.add_argument("--checkpoint", default=checkpoint, help="a model with labels")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    explorer = Explorer({"model": options.checkpoint}, label_only(64))
    found: dict[str, float] = {}
    for covers in (1, 16, 64):
        moves, draws = latencies(explorer, covers, options.repeats)
        ending = "" if covers == 1 else f"_{covers}"
        found[f"median_ms{ending}"] = round(float(np.median(moves)), 1)
        found[f"worst_ms{ending}"] = round(max(moves), 1)
        found[f"drawing_ms{ending}"] = round(float(np.median(draws)), 1)
    found["size"] = explorer.generator.size
    found |= of_page(Path(options.checkpoint), 50)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
