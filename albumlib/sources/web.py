"""Pictures over HTTPS, with the caution that addresses from a table deserve.

Only https, only hosts with public addresses, looked at again on each redirect; a cap on the
body while it streams; time-outs; a few retries that wait as long as the server asks.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from urllib.parse import urljoin, urlsplit

from albumlib import __version__
from albumlib.sources import CoverError

MOST_BYTES = 8 * 2**20
REDIRECTS = 5
RETRIES = 3
LONGEST_WAIT = 60.0  # seconds that a server may ask us to wait
TIMEOUT = (10, 30)  # seconds to connect, and between two pieces of the body
AGENT = f"albumlib/{__version__} (album cover course)"


def fetch(url: str, *, trusted: frozenset[str] = frozenset()) -> bytes:
    """The bytes at an address. Raises CoverError with a short reason.

    `trusted` hosts (name:port) may be spoken to in plain http and at private addresses: for
    servers of one's own.
    """
    import requests

    for attempt in range(RETRIES + 1):
        try:
            return _follow(requests, url, trusted)
        except _TryAgain as error:
            if attempt == RETRIES or error.seconds > LONGEST_WAIT:
                raise CoverError(str(error)) from error
            time.sleep(error.seconds or 0.5 * 2**attempt)
        except requests.RequestException as error:
            if attempt == RETRIES:
                raise CoverError(f"no answer ({type(error).__name__})") from error
            time.sleep(0.5 * 2**attempt)
    raise AssertionError("unreachable")


class _TryAgain(Exception):
    def __init__(self, reason: str, seconds: float):
        super().__init__(reason)
        self.seconds = seconds


def _follow(requests, url: str, trusted: frozenset[str]) -> bytes:
    for _ in range(REDIRECTS + 1):
        _check(url, trusted)
        headers = {"User-Agent": AGENT}
        options = {"headers": headers, "timeout": TIMEOUT, "stream": True, "allow_redirects": False}
        with requests.get(url, **options) as answer:
            if answer.is_redirect:
                url = urljoin(url, answer.headers["Location"])
                continue
            return _body(answer)
    raise CoverError("too many redirects")


def _body(answer) -> bytes:
    if answer.status_code in (429, 500, 502, 503, 504):
        wait = answer.headers.get("Retry-After", "0")
        raise _TryAgain(f"HTTP {answer.status_code}", float(wait) if wait.isdigit() else 0.0)
    if answer.status_code != 200:
        raise CoverError(f"HTTP {answer.status_code}")
    data = bytearray()
    for piece in answer.iter_content(65536):
        data += piece
        if len(data) > MOST_BYTES:
            raise CoverError(f"more than {MOST_BYTES // 2**20} MB")
    promised = answer.headers.get("Content-Length", "")
    if (
        promised.isdigit()
        and len(data) < int(promised)
        and not answer.headers.get("Content-Encoding")
    ):
        raise _TryAgain("the body was cut off", 0.0)
    return bytes(data)


def _check(url: str, trusted: frozenset[str]) -> None:
    parts = urlsplit(url)
    if parts.netloc in trusted:
        return
    if parts.scheme != "https" or not parts.hostname:
        raise CoverError("only https addresses are fetched")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, proto=socket.IPPROTO_TCP)
    except OSError as error:
        raise CoverError(f"unknown host {parts.hostname}") from error
    if any(not ipaddress.ip_address(address[4][0]).is_global for address in found):
        raise CoverError(f"{parts.hostname} is a private address")
