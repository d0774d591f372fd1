"""A local HTTP server that stands in for a live one, with faults thrown in.

It answers what a function says, notes when each request came and which had a whole answer, and
counts as the real server would: see `most_in_window` and `Request`.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

FAULTS = (
    "429",
    "429 storm",  # for all who ask, for a while
    "500",
    "503",
    "slow body",
    "body cut off",
    "no answer",
    "broken JSON",
    "wrong content type",
    "redirect to a forbidden host",
    "oversized body",
)
STORM = 0.2  # seconds
TRICKLE = 1.0  # seconds that a slow body takes


@dataclass(frozen=True)
class Reply:
    """An answer: JSON if `body` is no bytes."""

    body: object = b""
    status: int = 200
    kind: str = "application/json"
    location: str = ""

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Request:
    """One request as the server saw it; `fault` is what it got instead of an answer."""

    path: str
    came: float
    agent: str
    fault: str = ""
    answered: bool = False  # wholly, as far as the server knows


@dataclass
class StandIn:
    """`answer(path, query, agent)` says what to reply; a share of `faults` goes wrong."""

    answer: Callable[[str, dict[str, str], str], Reply]
    faults: float = 0.0
    kinds: tuple[str, ...] = FAULTS
    seed: int = 0
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng, self._lock, self._storm = random.Random(self.seed), threading.Lock(), 0.0
        handler = type("Handler", (_Handler,), {"host": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.netloc = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.netloc}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def begin(self, path: str, agent: str) -> Request:
        """Note a request, and decide what happens to it."""
        with self._lock:
            now = time.time()
            request = Request(path, now, agent)
            if now < self._storm:
                request.fault = "429"
            elif self._rng.random() < self.faults:
                request.fault = self._rng.choice(self.kinds)
            if request.fault == "429 storm":
                self._storm = now + STORM
            self.requests.append(request)
            return request

    def most_in_window(self, seconds: float) -> int:
        """The most requests that came within any stretch of time shorter than `seconds`."""
        times = sorted(request.came for request in self.requests)
        return max((bisect_left(times, t + seconds) - n for n, t in enumerate(times)), default=0)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *args: object) -> None:
        """A client that was killed is nothing to tell of."""


class _Handler(BaseHTTPRequestHandler):
    host: StandIn
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        request = self.host.begin(self.path, self.headers.get("User-Agent", ""))
        parts = urlsplit(self.path)
        reply = self.host.answer(parts.path, dict(parse_qsl(parts.query)), request.agent)
        with contextlib.suppress(OSError):
            if request.fault:
                self._fail(request.fault, reply)
            else:
                self._send(reply)
                request.answered = True

    def _fail(self, fault: str, reply: Reply) -> None:
        if fault in ("429", "429 storm"):
            self._send(Reply(b"{}", 429), {"Retry-After": f"{STORM}"})
        elif fault in ("500", "503"):
            self._send(Reply(b"oops", int(fault)))
        elif fault == "broken JSON":
            self._send(Reply(reply.data[: len(reply.data) // 2] or b"{", 200, "text/json"))
        elif fault == "wrong content type":
            self._send(Reply(b"<html>please log in</html>", 200, "text/html"))
        elif fault == "redirect to a forbidden host":
            self._send(Reply(b"", 302, location="https://10.0.0.1/login"))
        elif fault == "oversized body":
            self._send(Reply(bytes(9 * 2**20), 200, reply.kind))
        else:
            self._break_off(fault, reply.data)

    def _break_off(self, fault: str, data: bytes) -> None:
        """Answers that never become whole; the connection cannot be used again."""
        self.close_connection = True
        if fault == "no answer":
            return
        self._head(Reply(kind="application/json"), {}, len(data) + 1000)
        self.wfile.write(data)
        if fault == "slow body":
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(TRICKLE / 100)

    def _send(self, reply: Reply, headers: dict[str, str] | None = None) -> None:
        self._head(reply, headers or {}, len(reply.data))
        self.wfile.write(reply.data)

    def _head(self, reply: Reply, headers: dict[str, str], length: int) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(length))
        if reply.location:
            self.send_header("Location", reply.location)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass
