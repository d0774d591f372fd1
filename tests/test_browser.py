"""The explorer in a real browser: in JupyterLab's notebook 06, and as a page that Voila serves.

Screenshots are kept in build/screenshots.
"""

import base64
import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pytest
from PIL import Image

from albumlib.course.report import write_report
from albumlib.explorer import serve
from albumlib.sampling import request
from albumlib.sources.imprint.layouts import NAMES as LAYOUTS
from tests.browsers import CHROMIUM, INSTALLED, OPTIONS, PATIENCE, opened, serious_findings

COVER = ".albumlib-cover img"
READY = f"(document.querySelector('{COVER}') || {{}}).naturalWidth > 0"  # it is generated
BYTES = f"""async () => {{
    const file = await fetch(document.querySelector('{COVER}').src);
    return Array.from(new Uint8Array(await file.arrayBuffer())).join()
}}"""
IDLE = 15  # seconds, not the minutes of the real page, after which a kernel is ended
ENERGY = ".noUi-handle >> nth=3"
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        yield play.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)


@pytest.fixture(scope="module")
def screenshots(root):
    folder = root / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def covers(tmp_path_factory):
    """A small cover set of the built-in imprint."""
    return serve.cover_set(tmp_path_factory.mktemp("label"), albums=80)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def served(command: list, log: Path, address: str, **options):
    """A server that runs until the end of the block, once it answers."""
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)
        try:
            wait_until_it_answers(server, address, log)
            yield server
        finally:
            server.terminate()
            server.wait(30)


def wait_until_it_answers(server: subprocess.Popen, address: str, log: Path) -> None:
    for _ in range(PATIENCE // 500):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address, timeout=5).close()
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.5)
            raise AssertionError(f"the server has ended: {log.read_text()}")
    raise AssertionError(f"the server does not answer: {log.read_text()}")


def a_slider_moves_the_cover(tab) -> None:
    """By keyboard, as a person who has no mouse would."""
    tab.wait_for_function(READY, timeout=PATIENCE)
    before = tab.evaluate(BYTES)
    tab.focus(ENERGY)
    for _ in range(12):
        tab.keyboard.press("ArrowRight")
    changed = f"async was => (await ({BYTES})()) != was"
    tab.wait_for_function(changed, arg=before, timeout=PATIENCE)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Where the explorer's page saves them."""
    return tmp_path_factory.mktemp("explore")


@pytest.fixture(autouse=True)
def no_stars(pictures):
    """Whatever test came before: what it starred would be there from the start."""
    (pictures / "stars.json").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def page(covers, pictures):
    """The address of the explorer, served by Voila."""
    folder, port = pictures, free_port()
    written = serve.write_page(folder, serve.pretrained(), covers)
    address = f"http://localhost:{port}/"
    command = [*serve.command(written, port, browser=False), "--port_retries=0"]
    # The page itself would start a kernel; this file comes from Voila alone.
    with served(command, folder / "voila.log", address + "voila/static/voila.js"):
        yield address


@pytest.fixture(scope="module")
def opened_page(page, browser):
    """The explorer's page in Chromium, for all tests that leave it as it is: each new one would
    start a kernel."""
    tab = browser.new_page()
    tab.goto(page, timeout=PATIENCE)
    tab.wait_for_function(READY, timeout=PATIENCE)
    yield tab
    tab.close()


@pytest.fixture
def tab(opened_page):
    """That page, in a wide window and scrolled to its top."""
    opened_page.set_viewport_size({"width": 1400, "height": 900})
    opened_page.evaluate("document.querySelectorAll('*').forEach(e => { e.scrollTop = 0 })")
    return opened_page


@pytest.mark.parametrize(
    ("name", "width", "height"),
    [("wide", 1440, 900), ("tablet", 768, 1024), ("zoomed", 720, 450), ("phone", 390, 844)],
)
def test_the_page_follows_a_slider(tab, screenshots, name, width, height):
    tab.set_viewport_size({"width": width, "height": height})
    cover, first = (tab.locator(one).bounding_box() for one in (COVER, ".noUi-handle >> nth=0"))
    below = cover["y"] + cover["height"]
    assert first["x"] > cover["x"] + cover["width"] or 0 < first["y"] - below < 200
    a_slider_moves_the_cover(tab)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.locator(".noUi-handle").count() >= 10 + 1  # features and truncation
    assert "Explorer(" not in tab.content()  # the source is not shown
    tab.locator(".noUi-handle >> nth=9").scroll_into_view_if_needed()
    assert tab.locator(COVER).bounding_box()["y"] >= 0  # in sight of the last of the ten sliders
    assert serious_findings(tab.evaluate) == []
    tab.screenshot(path=screenshots / f"explorer_{name}.png")


def test_a_starred_cover_is_saved_for_print_and_opened_again(page, browser, pictures, tmp_path):
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    tab.goto(page, timeout=PATIENCE)
    tab.wait_for_function(READY, timeout=PATIENCE)
    layout = tab.get_by_label("layout", exact=True)
    assert layout.locator("option").all_inner_texts() == ["any", *LAYOUTS]
    layout.select_option("rings")
    tab.locator("[aria-label='cover 2, shown']").wait_for(timeout=PATIENCE)
    tab.get_by_role("button", name="star", exact=False).first.click()
    tab.locator("[aria-label='cover 2, starred, shown']").wait_for(timeout=PATIENCE)
    tab.get_by_text("Save pictures and videos").click()
    tab.get_by_label("size", exact=True).select_option("3,000 pixels, for print")
    tab.get_by_role("button", name="save", exact=True).click()
    with tab.expect_download(timeout=PATIENCE) as download:
        tab.get_by_role("link", name="download cover.png").click(timeout=PATIENCE)
    download.value.save_as(tmp_path / "print.png")
    assert (tmp_path / "print.png").read_bytes() == (pictures / "cover.png").read_bytes()
    tab.get_by_role("button", name="cover 1", exact=True).click()
    tab.locator("[aria-label='cover 1, shown']").wait_for(timeout=PATIENCE)
    assert layout.input_value() == "any"
    assert serious_findings(tab.evaluate) == []
    tab.get_by_text("Open a picture, a song or a playlist").click()
    with tab.expect_file_chooser() as chooser:
        tab.get_by_role("button", name="open a file").click()
    chooser.value.set_files(tmp_path / "print.png")
    shown = "document.querySelector('.albumlib-sliders select')?.selectedIndex === 1"
    tab.wait_for_function(shown, timeout=PATIENCE)  # the layout of the picture
    tab.get_by_role("button", name="save", exact=True).click()
    tab.get_by_role("link", name="download cover-2.png").wait_for(timeout=PATIENCE)
    first, again = (pictures / name for name in ("cover.png", "cover-2.png"))
    assert Image.open(first).size == (3000, 3000)
    assert request.load(first) == request.load(again) and request.load(first).layout == "rings"
    assert first.read_bytes() == again.read_bytes()
    tab.close()


@pytest.mark.skipif("firefox" not in INSTALLED, reason="Firefox is not installed")
def test_firefox_follows_a_slider_and_keeps_a_starred_cover(page, screenshots):
    with opened("firefox") as tab:
        tab.resize(1440, 900)
        tab.open(page)
        tab.wait(READY)
        source = f"document.querySelector('{COVER}').src"
        before = tab.evaluate(source)
        tab.evaluate("document.querySelectorAll('.noUi-handle')[3].id = 'energy'")
        tab.press("#energy", *["ArrowRight"] * 12)
        tab.wait(f"{source} !== {json.dumps(before)}")
        tab.wait("document.querySelectorAll('[aria-label^=\"cover \"]').length >= 2")
        tab.evaluate("""[...document.querySelectorAll(".albumlib button")]
            .find(button => button.textContent.includes("☆ star")).click()""")
        tab.wait("document.querySelector('[aria-label$=\", starred, shown\"]')")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert serious_findings(tab.evaluate) == []
        tab.screenshot(screenshots / "explorer_firefox.png")


def test_words_stand_out_from_their_background(tab):
    colours = """[...document.querySelectorAll('.albumlib label, .albumlib span, .albumlib button')]
        .filter(e => e.textContent.trim() && e.checkVisibility()).map(e => {
            let behind = e;
            const seen = x => getComputedStyle(x).backgroundColor;
            while (behind.parentElement && seen(behind) == 'rgba(0, 0, 0, 0)')
                behind = behind.parentElement;
            return [e.textContent, getComputedStyle(e).color, seen(behind)]
        })"""
    found = tab.evaluate(colours)
    assert len(found) > 20
    for words, ink, behind in found:
        assert contrast(ink, behind) >= 4.5, words


def test_every_slider_field_and_picture_has_a_name(tab):
    handles = "[...document.querySelectorAll('.noUi-handle')].filter(e => e.checkVisibility())"
    named = f"{handles}.every(e => e.getAttribute('aria-label') && e.offsetWidth >= 24)"
    tab.wait_for_function(named, timeout=PATIENCE)
    tab.focus(ENERGY)
    tab.keyboard.press("ArrowRight")  # a step of 0.005, which one decimal would hide
    value = f"{handles}[3].getAttribute('aria-valuetext')"
    shown = "document.querySelectorAll('.albumlib-feature')[3].querySelector('input').value"
    tab.wait_for_function(f"{value} === {shown}", timeout=PATIENCE)
    nameless = """[...document.querySelectorAll(
        '.albumlib :is(input, select, textarea, button, img)')].filter(e => !(e.title || e.alt ||
        e.ariaLabel || e.textContent.trim() || e.closest('.albumlib-thumb')))
        .map(e => e.outerHTML)"""
    # In the strip a button with a name lies over each picture, which is decoration.
    assert tab.evaluate(nameless) == []
    assert tab.locator('.albumlib [title="null"]').count() == 0
    assert "energy" in tab.get_attribute(COVER, "alt")


def test_a_report_keeps_nobody_out(browser, tmp_path, root):
    picture = nbformat.v4.new_output(
        "display_data",
        data={"image/png": base64.b64encode((root / "figures/logan.png").read_bytes()).decode()},
    )
    cells = [
        nbformat.v4.new_markdown_cell("# 05 · Labels"),
        nbformat.v4.new_code_cell("figures.pairs(x)", outputs=[picture]),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "05_acgan.ipynb")
    numbers = {"05_acgan.label_r2": 0.8, "05_acgan.label_r2_real": 0.97}
    (tmp_path / "results.json").write_text(json.dumps(numbers))
    for width in (1440, 390):
        tab = browser.new_page(viewport={"width": width, "height": 844})
        report, figure = write_report(tmp_path).as_uri(), tab.locator("details img")
        tab.goto(report)
        assert not figure.is_visible()  # chapters are folded, and a link opens them
        tab.get_by_role("link", name="05 acgan").click()
        figure.wait_for()
        assert tab.locator("details h2").bounding_box()["y"] >= 0
        tab.goto("about:blank")
        tab.goto(f"{report}#05_acgan")
        figure.wait_for()
        assert serious_findings(tab.evaluate) == []
        tab.close()


def test_pages_that_were_left_leave_no_kernel_and_a_large_photograph_arrives(
    covers, browser, tmp_path
):
    port, photograph = free_port(), tmp_path / "photograph.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (3000, 4000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(photograph, quality=96)
    assert photograph.stat().st_size > 12e6
    models = {"acgan": serve.PRETRAINED / "acgan.safetensors"}
    written = serve.write_page(tmp_path / "page", models, covers)
    address = f"http://localhost:{port}/"
    command = [*serve.command(written, port, browser=False, idle=IDLE), "--port_retries=0"]
    with served(command, tmp_path / "voila.log", address + "voila/static/voila.js") as server:
        tab = browser.new_page()
        tab.goto(address, timeout=PATIENCE)
        tab.wait_for_function(READY, timeout=PATIENCE)
        tab.get_by_text("Open a picture, a song or a playlist").click()
        with tab.expect_file_chooser() as chooser:
            tab.get_by_role("button", name="open a file").click()
        chooser.value.set_files(photograph)
        tab.wait_for_selector(".albumlib polyline", timeout=PATIENCE)
        [kernel] = psutil.Process(server.pid).children()
        kernel.kill()
        tab.get_by_text("its kernel has ended").wait_for(timeout=PATIENCE)
        tab.get_by_role("button", name="Start again").click()
        tab.wait_for_function(
            f"!document.querySelector('.albumlib-gone') && {READY}", timeout=PATIENCE
        )
        for _ in range(4):
            tab.reload(timeout=PATIENCE)
            tab.wait_for_function(READY, timeout=PATIENCE)
        [left] = kernels(server, 1)  # that of the page which is open
        assert left.memory_info().rss < 1e9
        tab.close()
        assert not kernels(server, 0)


def kernels(server: subprocess.Popen, most: int) -> list[psutil.Process]:
    """Voila's kernels, once no more than so many are left, or after a while."""
    ends = time.monotonic() + 6 * IDLE
    while time.monotonic() < ends:
        found = psutil.Process(server.pid).children()
        if len(found) <= most:
            break
        psutil.wait_procs(found, timeout=1)
    return found


def contrast(*colours: str) -> float:
    """The ratio of two CSS colours' luminances (WCAG 2.1)."""
    low, high = sorted(luminance(colour) for colour in colours)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    numbers = [float(part) for part in re.findall(r"[\d.]+", colour)]
    alpha = numbers[3] if len(numbers) > 3 else 1.0
    levels = [(alpha * n + (1 - alpha) * 255) / 255 for n in numbers[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def chapter_six(root: Path, covers: Path, folder: Path) -> Path:
    """Notebook 06 up to the explorer, with the data of this test."""
    notebook = nbformat.read(root / "notebooks" / "06_latent_explorer.ipynb", as_version=4)
    [last] = [i for i, c in enumerate(notebook.cells) if c.source.startswith("explorer = Explorer")]
    notebook.cells = notebook.cells[: last + 1]
    for cell in notebook.cells:
        cell.pop("outputs", None) if cell.cell_type == "markdown" else cell.update(outputs=[])
    pretrained = str(serve.PRETRAINED) + "/"
    [given] = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    given.source = given.source.replace("../data/smoke", str(covers.parent))
    given.source = given.source.replace("../data/pretrained/", pretrained)
    nbformat.write(notebook, folder / "chapter.ipynb")
    return folder


def test_jupyterlab_runs_chapter_six(root, covers, browser, screenshots, tmp_path):
    folder, port = chapter_six(root, covers, tmp_path), free_port()
    address, token = f"http://127.0.0.1:{port}/lab", secrets.token_hex(16)
    own = {f"JUPYTER{what}_DIR": str(tmp_path / what) for what in ("_CONFIG", "_RUNTIME")}
    own |= {"JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "w"), "JUPYTER_TOKEN": token}
    own |= {"JUPYTERLAB_SETTINGS_DIR": quiet_settings(tmp_path / "s")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
               "--ip=127.0.0.1", "--ServerApp.port_retries=0", "--expose-app-in-browser",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
               f"--ServerApp.root_dir={folder}"]  # fmt: skip
    options = {"env": os.environ | own, "cwd": folder}
    with served(command, tmp_path / "lab.log", f"{address}?token={token}", **options):
        tab = browser.new_page(viewport={"width": 1400, "height": 900})
        tab.goto(f"{address}/tree/chapter.ipynb?token={token}")
        tab.get_by_text("| Idle").wait_for(timeout=PATIENCE)  # the kernel is there
        tab.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        a_slider_moves_the_cover(tab)
        tab.locator(COVER).scroll_into_view_if_needed()
        tab.screenshot(path=screenshots / "jupyterlab.png")
        tab.close()


def quiet_settings(folder: Path) -> str:
    """JupyterLab without its offers of news, and with cells that stay where they are."""
    settings = {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, values in settings.items():
        file = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    return str(folder)
