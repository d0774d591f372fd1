"""Chromium by Playwright, and Firefox by its own protocol, Marionette, behind the same methods."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
PATIENCE = 180_000  # milliseconds; machines may be busy
SERIOUS = """axe.run().then(found => found.violations
    .filter(rule => ["serious", "critical"].includes(rule.impact))
    .map(rule => [rule.id, ...rule.nodes.map(node => node.html.slice(0, 200))]))"""
MARIONETTE = find_spec("marionette_driver")  # for Python before 3.13
FOUND = {"chromium": CHROMIUM, "firefox": MARIONETTE and FIREFOX}
INSTALLED = [name for name, path in FOUND.items() if path]


class Tab:
    """A page in Chromium. `errors` are what it threw and did not catch."""

    def __init__(self, page):
        self.page, self.errors = page, []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, address: str) -> None:
        self.page.goto(address)

    def resize(self, width: int, height: int) -> None:
        self.page.set_viewport_size({"width": width, "height": height})

    def evaluate(self, expression: str):
        """The value of a JavaScript expression, or what it promises."""
        return self.page.evaluate(expression)

    def wait(self, expression: str) -> None:
        """Until the expression is true."""
        self.page.wait_for_function(expression, timeout=PATIENCE)

    def press(self, selector: str, *keys: str) -> None:
        """Keys by their names, such as ArrowRight, with the element in focus."""
        self.page.focus(selector)
        for key in keys:
            self.page.keyboard.press(key)

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path)


class FirefoxTab:
    """The same in Firefox."""

    def __init__(self, client):
        self.client, self.errors = client, []

    def open(self, address: str) -> None:
        self.client.navigate(address)

    def resize(self, width: int, height: int) -> None:
        inside = self.evaluate("[outerWidth - innerWidth, outerHeight - innerHeight]")
        self.client.set_window_rect(width=width + inside[0], height=height + inside[1])

    def evaluate(self, expression: str):
        script = f"const [done] = arguments; Promise.resolve({expression}).then(v => done(v))"
        return self.client.execute_async_script(script, sandbox=None, script_timeout=PATIENCE)

    def wait(self, expression: str) -> None:
        from marionette_driver import Wait

        Wait(self.client, timeout=PATIENCE / 1000).until(lambda _: self.evaluate(expression))

    def press(self, selector: str, *keys: str) -> None:
        from marionette_driver import By
        from marionette_driver import keys as known

        named = {name: getattr(known.Keys, name) for name in vars(known.Keys) if name.isupper()}
        element = self.client.find_element(By.CSS_SELECTOR, selector)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        for key in keys:
            element.send_keys(named[_constant(key)])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.client.screenshot(full=False)))


def _constant(key: str) -> str:
    """ARROW_RIGHT for ArrowRight.

    >>> _constant("ArrowRight")
    'ARROW_RIGHT'
    """
    return "".join("_" * (c.isupper() and i > 0) + c for i, c in enumerate(key)).upper()


@contextmanager
def opened(name: str) -> Iterator[Tab | FirefoxTab]:
    """A page in the browser of that name, until the end of the block."""
    with {"chromium": _chromium, "firefox": _firefox}[name]() as tab:
        yield tab


@contextmanager
def _chromium() -> Iterator[Tab]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        context = browser.new_context(offline=True)
        yield Tab(context.new_page())
        browser.close()


@contextmanager
def _firefox() -> Iterator[FirefoxTab]:
    from marionette_driver.marionette import Marionette

    binary = str(Path(FIREFOX).resolve())  # beside which it looks for the version
    with socket.socket() as free:  # tests of two runs may each have a Firefox
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = Marionette(bin=binary, port=port, headless=True, gecko_log=os.devnull)
    client.start_session()
    try:
        yield FirefoxTab(client)
    finally:
        client.quit(in_app=False)
        client.cleanup()


def serious_findings(evaluate) -> list[list[str]]:
    """What axe-core finds serious or critical in a page: rules, each with the elements that break
    it. `evaluate` runs JavaScript there."""
    from axe_playwright_python.base import AXE_SCRIPT

    evaluate(f"""(() => {{ const script = document.createElement("script");
        script.textContent = {json.dumps(AXE_SCRIPT)}; document.head.append(script) }})()""")
    return evaluate(SERIOUS)
