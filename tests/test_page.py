"""The exported page in Chromium and Firefox, from a file and without any network.

Screenshots are kept in build/screenshots.
"""

import base64
import io
import json
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image

from albumlib.models.conditions import extra_columns
from albumlib.models.networks import Generator
from albumlib.sampling import export, request
from tests import browsers

COVER = "document.getElementById('cover')"
CURRENT = "document.querySelector('#strip [aria-current] canvas')"
BLOBS = """(() => { window.blobs = []; const make = URL.createObjectURL;
    URL.createObjectURL = (blob) => { window.blobs.push(blob); return make(blob); } })()"""
SAVED = """new Promise(done => { const reader = new FileReader();
    reader.onload = () => done(reader.result); reader.readAsDataURL(window.blobs.at(-1)) })"""
pytestmark = [
    pytest.mark.skipif(not browsers.INSTALLED, reason="no browser is installed"),
    pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed"),
]


CONTRAST = 4  # that the small network is given; half precision costs a grey level without


@pytest.fixture(scope="module")
def generator():
    """A small one with all that a page can ask for, whose pictures have some contrast."""
    torch.manual_seed(0)
    extras = extra_columns("year,text,layout")
    made = Generator(
        32, latent=16, labels=10 + len(extras), width=4, extras=extras, residual=True, noise=True
    )
    made.eval().requires_grad_(False).to_rgb.weight.mul_(CONTRAST)
    return made


@pytest.fixture(scope="module")
def address(generator, tmp_path_factory):
    try:
        export.runtime()
    except export.ExportError as error:
        pytest.skip(str(error))
    folder, albums = tmp_path_factory.mktemp("page"), export.Albums.of_imprint(40)
    return export.export(generator, folder, albums)["page"].as_uri()


@pytest.fixture(scope="module", params=browsers.INSTALLED)
def tab(request, address):
    with browsers.opened(request.param) as tab:
        tab.name = request.param
        yield tab


def fresh(tab, address: str, hash: str = "") -> None:
    """The page anew, at an address, when its cover is there."""
    tab.open("about:blank")
    tab.open(address + hash)
    tab.wait(f"{COVER}.dataset.shown && {CURRENT} !== null")
    tab.evaluate(BLOBS)


def click(tab, selector: str) -> None:
    tab.evaluate(f"document.querySelector({json.dumps(selector)}).click()")


def settled(tab, condition: str) -> None:
    """Until a condition of the address, `hash`, holds of the cover in the strip, too."""
    hash = f"(hash => {condition})(decodeURIComponent(location.hash))"
    tab.wait(f"{hash} && location.hash === {COVER}.dataset.shown && {CURRENT} !== null")


def picture(url: str) -> np.ndarray:
    data = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def pixels(tab) -> np.ndarray:
    """The newest cover of the strip, at the model's own size."""
    return picture(tab.evaluate(f"{CURRENT}.toDataURL()"))


MEAN = request.from_label(np.zeros(10))
LINK = (
    "#seed=4294967299&energy=0.9&valence=0.125&truncation=0.75&steps=0.5,-1.25"
    "&year=1984&text=true&layout=rays"
)
LINKED = request.Request(
    (4294967299,), (*MEAN[:3], 0.9, *MEAN[4:9], 0.125), 0.75, (0.5, -1.25), year=1984.0, text=True,
    layout="rays",
)  # fmt: skip


@pytest.mark.parametrize(
    ("hash", "wanted"), [("", request.Request((2021,), MEAN)), (LINK, LINKED)], ids=["", "link"]
)
def test_a_link_is_a_cover_and_python_generates_the_same(tab, address, generator, hash, wanted):
    fresh(tab, address, hash)
    assert np.abs(pixels(tab) - wanted.draw(generator)[0]).max() <= CONTRAST
    assert not tab.errors


def test_a_slider_moves_by_keyboard_over_percentiles(tab, address):
    fresh(tab, address)
    before, energy = pixels(tab), "[aria-label^='energy'].slide"
    tab.press(energy, *["ArrowRight"] * 9)
    settled(tab, "hash.includes('energy=')")
    assert np.abs(pixels(tab) - before).max() > 0
    said = tab.evaluate(f'document.querySelector("{energy}").ariaValueText')
    assert said.endswith("% of the albums")


@pytest.mark.parametrize("size", [640, 3000])
def test_a_saved_picture_is_read_by_python(tab, address, generator, tmp_path, size):
    fresh(tab, address, LINK)
    click(tab, f"#save{size}")
    tab.wait("window.blobs.length === 1")
    data = base64.b64decode(tab.evaluate(SAVED).partition(",")[2])
    found = request.load(data, generator)
    assert found == LINKED.__class__(**vars(LINKED) | {"model": request.fingerprint(generator)})
    saved = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    again = request.enlarge(found.draw(generator), size)[0]
    assert np.abs(saved - again).max() <= 4  # a grey level, and what the filter makes of it


def test_a_picture_that_python_saved_is_opened_with_its_names(tab, address, generator, tmp_path):
    path = request.save(tmp_path / "cover.png", LINKED, generator, 100)
    data = base64.b64encode(path.read_bytes()).decode()
    fresh(tab, address)
    drop = """(() => {{ const dropped = new DataTransfer();
        const bytes = Uint8Array.from(atob("{}"), c => c.charCodeAt(0));
        dropped.items.add(new File([bytes], "cover.png", {{ type: "image/png" }}));
        dispatchEvent(new DragEvent("drop", {{ dataTransfer: dropped }})) }})()"""
    tab.evaluate(drop.format(data))
    settled(tab, "hash.includes('seed=4294967299')")
    assert np.abs(pixels(tab) - LINKED.draw(generator)[0]).max() <= CONTRAST
    tab.evaluate(drop.format(base64.b64encode(b"no picture at all, and too short").decode()))
    tab.wait("document.getElementById('message').textContent.includes('does not say')")


def test_names_are_set_over_the_picture_and_kept_in_it(tab, address, generator):
    fresh(
        tab, address, "#seed=5&artist=Mötley%20陽&title=A%20long%20title%20of%20words&type=classic"
    )
    own = picture(tab.evaluate(f"{COVER}.toDataURL()"))
    plain = request.enlarge(request.Request((5,), MEAN).draw(generator), 640)[0]
    assert (np.abs(own - plain).max(2) > 40).mean() > 0.01
    click(tab, "#save640")
    tab.wait("window.blobs.length === 1")
    saved = Image.open(io.BytesIO(base64.b64decode(tab.evaluate(SAVED).partition(",")[2])))
    assert (saved.info["Author"], saved.info["Title"]) == ("Mötley 陽", "A long title of words")


def test_history_goes_back_and_stars_stay(tab, address):
    fresh(tab, address, "#seed=7")
    click(tab, "#moods button")
    settled(tab, "hash.includes('valence=')")
    click(tab, "#grid button:nth-child(3)")
    settled(tab, "!hash.includes('seed=7&')")
    taken = tab.evaluate("location.hash")
    click(tab, "#star")
    click(tab, "#undo")
    settled(tab, "hash.includes('seed=7&valence') || hash.includes('seed=7&')")
    click(tab, "#undo")
    settled(tab, "hash === '#seed=7'")
    assert tab.evaluate("document.getElementById('undo').disabled")
    click(tab, "#redo")
    click(tab, "#redo")
    settled(tab, f"location.hash === {json.dumps(taken)}")
    fresh(tab, address, taken)
    assert tab.evaluate("document.getElementById('star').ariaPressed") == "true"
    fresh(tab, address, "#seed=8")
    tab.wait("document.querySelector('#strip [aria-label=\"earlier cover 1, starred\"]')")
    click(tab, "#strip button")
    settled(tab, f"location.hash === {json.dumps(taken)}")
    click(tab, "#star")
    tab.wait("document.querySelector('#strip .starred') === null")


def test_a_surprise_is_an_album_with_names(tab, address):
    fresh(tab, address)
    click(tab, "#surprise")
    settled(tab, "hash.includes('artist=') && hash.includes('title=') && hash.includes('energy=')")
    assert tab.evaluate("document.getElementById('artist').value")


def test_dragging_and_arrow_keys_wander(tab, address):
    fresh(tab, address)
    tab.press("#cover", "ArrowRight", "ArrowDown", "ArrowDown")
    settled(tab, "hash.includes('steps=0.2,0.4,')")
    drag = """[["down", 100], ["move", 180], ["up", 180]].forEach(([kind, x]) => {{
        {0}.setPointerCapture = () => {{}};
        {0}.dispatchEvent(new PointerEvent("pointer" + kind, {{ clientX: x, clientY: 9 }})) }})"""
    tab.evaluate(drag.format(COVER))
    settled(tab, "+hash.match(/steps=([^,]+)/)[1] > 0.5")


def test_a_video_is_played_taken_and_saved(tab, address):
    fresh(tab, address, "#seed=1")
    click(tab, "#play")
    tab.wait("document.getElementById('message').textContent.includes('two covers')")
    click(tab, "#grid button")
    settled(tab, "hash !== '#seed=1'")
    click(tab, "#play")
    tab.wait(f"{COVER}.dataset.shown.includes('z=')")
    click(tab, "#take")
    settled(tab, "hash.includes('z=')")
    click(tab, "#undo")
    settled(tab, "!hash.includes('z=')")
    click(tab, "#record")
    tab.wait("window.blobs.length === 1")
    kind, size = tab.evaluate("[window.blobs[0].type, window.blobs[0].size]")
    assert kind.startswith("video/") and size > 10_000


@pytest.mark.parametrize(
    ("hash", "words"),
    [
        ("#energy=7", "energy is from 0 to 1, not 7"),
        ("#energy=", "energy is from 0 to 1, not nothing"),
        ("#seed=-1", "a seed is a whole number"),
        ("#layout=nonsense", "knows no layout nonsense"),
        ("#steps=a,b", "steps along directions"),
        ("#z=AAAA", "another model"),
    ],
)
def test_a_link_that_cannot_be_says_so(tab, address, hash, words):
    fresh(tab, address, hash)
    assert words in tab.evaluate("document.getElementById('message').textContent")
    tab.press("[aria-label^='energy'].slide", "ArrowRight")
    tab.wait("document.getElementById('message').textContent === ''")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (768, 1024), (500, 844)])
def test_everybody_can_use_it(tab, address, root, width, height):
    tab.resize(width, height)
    fresh(tab, address, LINK + "&artist=Nobody&title=Nothing")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
    assert browsers.serious_findings(tab.evaluate) == []
    folder = root / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    tab.screenshot(folder / f"page_{tab.name}_{width}.png")


def test_a_page_in_parts_comes_from_a_web_server(generator, tmp_path):
    albums = export.Albums.of_imprint(20)
    export.export(generator, tmp_path, albums, address="https://example.org/covers", split=True)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert len(page) < 500_000 and 'content="https://example.org/covers/card.jpg"' in page
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with browsers.opened("chromium") as tab:
            tab.open((tmp_path / "index.html").as_uri())
            tab.wait("document.getElementById('message').textContent.includes('web server')")
            tab.page.context.set_offline(False)
            address = f"http://127.0.0.1:{server.server_port}/"
            (tmp_path / "model.bin").rename(tmp_path / "elsewhere")
            tab.open(address)
            said = "document.getElementById('message').textContent"
            tab.wait(f"{said}.includes('model.bin is not beside this page')")
            (tmp_path / "elsewhere").rename(tmp_path / "model.bin")
            fresh(tab, address)
            wanted = request.Request((2021,), MEAN).draw(generator)[0]
            assert np.abs(pixels(tab) - wanted).max() <= CONTRAST
        server.shutdown()


def test_a_link_can_be_shared_where_nothing_can_be_copied(tab, address):
    fresh(tab, address, LINK)
    tab.evaluate(
        "['share', 'clipboard'].forEach((name) => "
        "Object.defineProperty(navigator, name, { value: undefined, configurable: true }))"
    )
    click(tab, "#share")
    tab.wait("document.getElementById('state').textContent.startsWith('copy the address')")


def test_a_model_without_labels_has_no_sliders_of_sound(address, tab, tmp_path):
    plain = Generator(32, latent=16, width=4).eval().requires_grad_(False)
    page = export.export(plain, tmp_path, export.Albums.of_imprint(20))["page"].as_uri()
    fresh(tab, page, "#seed=3")
    assert np.abs(pixels(tab) - request.Request((3,)).draw(plain)[0]).max() <= 1
    assert not tab.evaluate("document.getElementById('features').checkVisibility()")
    click(tab, "#surprise")
    settled(tab, "hash.includes('artist=')")
