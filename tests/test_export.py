"""The exported model generates what PyTorch does: its latents, its ONNX file, its page's facts."""

import json
import shutil
import subprocess
from importlib.resources import files

import numpy as np
import pytest
import torch

from albumlib.models.checkpoint import load_generator
from albumlib.models.conditions import extra_columns
from albumlib.models.networks import Generator
from albumlib.runtime.paths import PRETRAINED
from albumlib.sampling import export


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_latents_are_torchs():
    cases = [(s, n) for s in (0, 2021, 2**32 + 5, 2**40 + 123) for n in (1, 15, 16, 64, 700)]
    source = (files("albumlib") / "assets" / "page" / "random.js").read_text()
    calls = f"{json.dumps(cases)}.map(([s, n]) => [...torchRand(s, n)])"
    script = f"{source}; console.log(JSON.stringify({calls}))"
    found = json.loads(subprocess.check_output(["node", "-e", script]))
    for (seed, count), numbers in zip(cases, found, strict=True):
        wanted = torch.rand(1, count, generator=torch.Generator().manual_seed(seed))[0]
        assert torch.equal(torch.tensor(numbers), wanted)


def test_residual_blocks_noise_and_a_layout_of_the_latents_choice_are_exported():
    extras = extra_columns("layout")
    generator = Generator(
        32, latent=16, labels=10 + len(extras), width=4, extras=extras, residual=True, noise=True
    )
    generator.eval().requires_grad_(False)
    for name, weight in generator.named_parameters():
        if name.endswith("grain"):
            weight.fill_(0.5)
    assert export.onnx_difference(generator, export.to_onnx(generator)) <= export.TOLERANCE


def test_half_precision_halves_the_file_and_changes_covers_by_a_grey_level_at_most():
    generator = load_generator(PRETRAINED / "acgan.safetensors")
    model = export.to_onnx(generator)
    half = export.halved(model)
    assert len(half) < 0.55 * len(model)
    assert export.onnx_difference(generator, half) <= 2 / 255


def test_percentiles_and_names_are_those_of_the_albums():
    albums = export.Albums.of_imprint(50)
    about = export.about(Generator(32, latent=16, labels=10, width=4), albums)
    energy = albums.table["energy"]
    assert about["features"][3]["quantiles"][::100] == [
        round(energy.min(), 5),
        round(energy.max(), 5),
    ]
    assert len(about["albums"]) == 50
    loudest = about["albums"][int(albums.table["loudness"].argmax())]
    assert loudest["percentiles"][6] == 100 and loudest["artist"] in set(albums.table["artist"])
    nobody = export.Albums(albums.table.assign(energy=np.nan), "")
    assert (
        export.about(Generator(32, labels=10, width=4), nobody)["features"][3]["quantiles"][50]
        == 0.5
    )


def test_the_committed_page_has_the_scripts_styles_and_model_of_today(root):
    page = (root / "figures" / "page" / "index.html").read_text(encoding="utf-8")
    names = [f"{name}.js" for name in export.SCRIPTS] + ["page.css"]
    old = [name for name in names if (export.PAGE / name).read_text("utf-8").strip() not in page]
    assert not old, "run `make page`"
    model = load_generator(PRETRAINED / "acgan.safetensors")
    assert export.fingerprint(model) in page, "run `make page`: another model ships"
