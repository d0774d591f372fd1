"""A server that says what it likes, byte by byte: for answers that no server should give."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Iterable

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"


class Hostile:
    """Sends `pieces` after each request, `pause` seconds apart, and hangs up in the end."""

    def __init__(self, pieces: Iterable[bytes], pause: float = 0.0):
        self.requests: list[bytes] = []
        self.hung_up = threading.Event()  # the client did
        handler = type("Handler", (_Handler,), {"pieces": pieces, "pause": pause, "host": self})
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.netloc = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://{self.netloc}/{path}"

    def __enter__(self) -> Hostile:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(socketserver.BaseRequestHandler):
    host: Hostile
    pieces: Iterable[bytes]
    pause: float

    def handle(self) -> None:
        self.host.requests.append(self.request.recv(65536))
        with contextlib.suppress(OSError):
            for piece in self.pieces:
                self.request.sendall(piece)
                time.sleep(self.pause)
            return
        self.host.hung_up.set()
