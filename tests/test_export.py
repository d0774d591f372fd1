"""The exported model draws what PyTorch draws: its latents, its ONNX file, its page."""

import base64
import io
import json
import shutil
import subprocess
from importlib.resources import files

import numpy as np
import pytest
import torch
from PIL import Image

from albumlib.models.conditions import extra_columns
from albumlib.models.networks import Generator
from albumlib.sampling import export, request

CHROMIUM = shutil.which("chromium")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
DRAWN = "document.getElementById('state').textContent.startsWith('drawn')"


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


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_page_draws_pythons_picture_and_follows_a_slider(tmp_path):
    from playwright.sync_api import sync_playwright

    try:
        export.runtime()
    except export.ExportError as error:
        pytest.skip(str(error))
    torch.manual_seed(0)
    generator = Generator(32, latent=16, labels=10, width=4).eval().requires_grad_(False)
    paths = export.export(generator, tmp_path)
    assert export.onnx_difference(generator, paths["onnx"].read_bytes()) <= export.TOLERANCE
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        tab = browser.new_page()
        tab.context.set_offline(True)
        tab.goto(paths["page"].as_uri())
        tab.wait_for_function(DRAWN, timeout=180_000)
        first = _pixels(tab)
        mean = request.from_label(np.zeros(10))
        wanted = request.Request((2021,), mean).draw(generator)[0]
        assert np.abs(first - wanted.astype(int)).max() <= 2
        before = tab.evaluate("document.getElementById('cover').toDataURL()")
        tab.locator("#features input[type=range]").nth(3).fill("1")
        changed = "was => document.getElementById('cover').toDataURL() != was"
        tab.wait_for_function(changed, arg=before, timeout=180_000)
        wanted = request.Request((2021,), (*mean[:3], 1.0, *mean[4:])).draw(generator)[0]
        assert np.abs(_pixels(tab) - wanted.astype(int)).max() <= 2
        browser.close()


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


def _pixels(tab) -> np.ndarray:
    url = tab.evaluate("document.getElementById('cover').toDataURL()")
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return np.asarray(picture.convert("RGB")).astype(int)
