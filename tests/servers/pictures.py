"""A picture host on this machine, with the faults of real ones."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

ALWAYS = {
    "missing": (404, b"no"),
    "forbidden": (403, b"no"),
    "dead": (500, b""),
    "storm": (429, b""),
}


def jpeg(width: int = 300) -> bytes:
    """A picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, width), "teal").save(file, "JPEG")
    return file.getvalue()


class PictureServer:
    """Serves `picture` at any path; the first part of the path says what goes wrong.

    /ok, /redirect, /loop, /away (redirects to another host), /missing, /busy (429 twice),
    /broken (500 once), /cut (body cut off once), /endless, /patient (429, wait for an hour),
    /soon (429 once, wait for 7 seconds), /storm (429 always), /dead (500 always), /forbidden,
    /trickle (a byte at a time), /json (broken once), /page (HTML once, then the picture).
    """

    def __init__(self, picture: bytes):
        self.picture, self.asked = picture, Counter()
        self.times: list[float] = []  # when each request came
        self.agents: list[str] = []
        handler = type("Handler", (_Handler,), {"host": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.netloc = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://{self.netloc}/{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    host: PictureServer

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.host.times.append(time.time())
        self.host.agents.append(self.headers["User-Agent"])
        self.host.asked[self.path] += 1
        times = self.host.asked[self.path]
        if kind in ALWAYS:
            self._answer(*ALWAYS[kind])
        elif kind in ("redirect", "loop", "away"):
            target = {"redirect": "/ok/x", "loop": "/loop", "away": "https://10.0.0.1/x"}[kind]
            self._answer(307, b"", Location=target)
        elif kind == "patient":
            self._answer(429, b"", **{"Retry-After": "3600"})
        elif kind == "soon" and times < 2:
            self._answer(429, b"", **{"Retry-After": "7"})
        elif kind == "trickle":
            self._trickle()
        elif kind == "json":
            self._answer(200, b'{"answer": 42' + b"}" * (times - 1))
        elif kind == "page":
            body = b"<html>please log in</html>" if times < 2 else self.host.picture
            self._answer(200, body, **{"Content-Type": "Text/HTML"})
        elif kind == "busy" and times < 3:
            self._answer(429, b"", **{"Retry-After": "0"})
        elif kind == "broken" and times < 2:
            self._answer(500, b"")
        elif kind == "cut" and times < 2:
            self._answer(200, self.host.picture[:100], **{"Content-Length": "99999"})
        elif kind == "endless":
            self._answer(200, bytes(9 * 2**20))
        else:
            self._answer(200, self.host.picture)

    def _trickle(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.01)

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # the client may have had enough
            self.wfile.write(body)

    def log_message(self, *args):
        pass
