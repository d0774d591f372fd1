"""One polite HTTP client for all live sources.

Limits are rolling windows: never more than so many requests in any stretch of so many seconds,
as the server counts them. A place in a window is taken before a request is sent and is free
again one window after it was answered, so that no delay on the way can push two together. The
places are kept in a small SQLite file, which all threads, and all programs of one clone, share:
neither a kill nor a second notebook lets more requests through.

Only https is spoken, only with hosts on a list, looked at again on each redirect, and never with
private addresses. Bodies are capped while they stream. 429 and 503 stop everybody who asks that
host until its `Retry-After` has passed; what breaks on the way is tried again a few times, ever
later. A long wait ends the run politely instead: see `Wait`.
"""

from __future__ import annotations

import contextlib
import email.utils
import ipaddress
import itertools
import json
import os
import random
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from albumlib import __version__
from albumlib.runtime.paths import DATA
from albumlib.sources.base import SourceError

MOST_BYTES = 8 * 2**20
REDIRECTS = 5
RETRIES = 5
TIMEOUT = (10, 30)  # seconds to connect, and between two pieces of the body
SLOW = 60.0  # seconds that a whole body may take
BUSY = (429, 503)
BROKEN = (500, 502, 504)
REDIRECTED = (301, 302, 303, 307, 308)
GRACE = 5.0  # seconds after which a request whose answer nobody lived to see has been counted
OUT_OF_ORDER = 5  # requests given up one after the other: the host is, not the address
COME_BACK = 600.0  # seconds, where a host does not say itself
MEMORY = DATA / "requests.sqlite"  # of the clone, where all run

Monitor = Callable[[float, str, int], None]  # time sent, host, status (0: no answer)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Limit:
    """At most so many requests in any stretch of so many seconds."""

    requests: int
    seconds: float


@dataclass(frozen=True)
class Answer:
    """What a server said. The names of `headers` are written in any case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class Wait(SourceError):
    """A host wants to be left alone for longer than we wait; `until` is when to come back."""

    def __init__(self, host: str, until: float):
        self.until = datetime.fromtimestamp(until)
        super().__init__(
            f"{host} asks for a pause: start again after {self.until:%H:%M:%S on %d %B %Y}, "
            "everything gathered so far is kept"
        )


class Unreachable(SourceError):
    """A host does not answer at all."""


class Failed(SourceError):
    """One address cannot be had; others may."""


class NotFound(Failed):
    """There is nothing at this address (404, 410)."""


class Refused(Failed):
    """The server refuses the request: `status`, its `headers` and the `body` say why."""

    def __init__(self, host: str, answer: Answer):
        super().__init__(f"{host} answered HTTP {answer.status}")
        self.status, self.headers, self.body = answer.status, answer.headers, answer.body


class Web:
    """The client. Safe to use from several threads.

    `hosts` names who may be asked and how often: a host, "*.domain" for all below one (they
    share the limit), or "*" for any (each has its own). `contact` goes into the User-Agent, so
    that a server's keeper knows whom to write to. `trusted` hosts (name:port) may be spoken to
    in plain http and at private addresses: for servers of one's own. No wait is longer than
    `longest_wait` seconds: the run ends with `Wait` instead. `memory` is the file that remembers
    the requests, ":memory:" for this client alone. `watch` is told of every request.
    """

    def __init__(
        self,
        hosts: Mapping[str, Limit],
        *,
        contact: str = "",
        trusted: frozenset[str] = frozenset(),
        longest_wait: float = 120.0,
        memory: str | Path = MEMORY,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] | None = None,
        watch: Monitor | None = None,
    ):
        self.hosts, self.contact, self.trusted = dict(hosts), contact, trusted
        self.longest_wait, self._clock, self._watch = longest_wait, clock, watch
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._ledger = _Ledger(memory)
        self._failures: Counter[str] = Counter()  # requests given up since the last success
        self._own = threading.local()

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        most_bytes: int = MOST_BYTES,
        kind: str = "",
    ) -> Answer:
        """The answer at an address, redirects followed.

        `kind` is how its content type must begin, such as "image/"; other answers count as
        broken. Raises NotFound, Refused, or Failed for any other reason that lies with this
        address; Wait or Unreachable if it makes no sense to go on.
        """
        return self._persist(
            url, params, headers, most_bytes, lambda answer: _of_kind(answer, kind)
        )

    def json(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        most_bytes: int = MOST_BYTES,
        needs: str = "",
    ) -> Any:
        """The JSON at an address, an object with the name `needs` in it.

        What is none is asked for again. Raises what `get` raises.
        """
        return self._persist(
            url, params, headers, most_bytes, lambda answer: _parsed(answer, needs)
        )

    @contextlib.contextmanager
    def gate(self, host: str) -> Iterator[None]:
        """Wait for a place in the host's window and hold it while the request is under way.

        For clients of others: `with web.gate("api.example.org"): client.ask()`. Raises Wait if
        there will be none for longer than `longest_wait`.
        """
        gate, limit = self._rule(host)
        place = self._enter(gate, limit)
        try:
            yield
        finally:
            self._ledger.leave(place, gate, self._clock() + limit.seconds)

    def pause(self, host: str, seconds: float) -> None:
        """Let nobody ask this host for so long: for answers that say so."""
        self._ledger.close_gate(self._rule(host)[0], self._clock() + seconds)

    def stop(self) -> None:
        """Wake up whoever waits; until `start`, everything asked for raises SourceError."""
        self._stopped.set()

    def start(self) -> None:
        """Go on after `stop`."""
        self._stopped.clear()

    # One request, as often as it takes ----------------------------------------------------

    def _persist(
        self, url: str, params: object, headers: object, most: int, read: Callable[[Answer], Result]
    ) -> Result:
        """Ask, follow redirects, and ask again for what broke: the last hop, not the whole way."""
        hop, begun = _Hop(_prepared(url, params)), self._clock()
        for attempt in itertools.count():
            try:
                self._check(hop.url)
                return read(self._follow(hop, headers, most))
            except _Again as error:
                patient = self._is_offline(error) and self._clock() - begun < self.longest_wait
                if attempt >= RETRIES and not patient:
                    raise self._given_up(error) from error
                self._back_off(error, attempt)
        raise AssertionError("unreachable")

    def _back_off(self, error: _Again, attempt: int) -> None:
        """Wait alone, or where the host is busy: with everybody else, at its gate."""
        seconds = min(60.0, 0.5 * 2**attempt) * random.uniform(0.5, 1)
        if error.status in BUSY:
            self.pause(error.host, error.seconds or seconds)
        else:
            self._sleep(seconds)

    def _given_up(self, error: _Again) -> SourceError:
        """What to raise: it may be this address that is at fault, or the host, or the network."""
        gate = self._rule(error.host)[0]
        self._failures[gate] += 1
        if self._is_offline(error):
            return Unreachable(
                f"{error.host} cannot be reached: check the network and start again, "
                "everything gathered so far is kept"
            )
        if error.status == 429 or self._failures[gate] >= OUT_OF_ORDER:
            return Wait(error.host, self._clock() + COME_BACK)
        return Failed(str(error))

    def _is_offline(self, error: _Again) -> bool:
        """Whether a host we count on is silent. Of many hosts, one may well be gone for good."""
        return error.lost and error.host in self.hosts

    def _follow(self, hop: _Hop, headers: object, most_bytes: int) -> Answer:
        while hop.count <= REDIRECTS:
            answer = self._ask(hop.url, headers, most_bytes)
            if answer.status not in REDIRECTED:
                answer = _judged(answer)
                self._failures[self._rule(urlsplit(hop.url).netloc)[0]] = 0
                return answer
            hop.url, hop.count = self._next_hop(answer), hop.count + 1
        raise Failed("too many redirects")

    def _next_hop(self, answer: Answer) -> str:
        """Where a redirect leads. To a host that is none of ours: perhaps a hotel's login page."""
        url = urljoin(answer.url, answer.headers.get("Location", ""))
        try:
            self._check(url)
        except Failed as error:
            raise _Again(urlsplit(answer.url).netloc, f"redirected: {error}") from error
        return url

    def _ask(self, url: str, headers: object, most_bytes: int) -> Answer:
        """One request through its gate."""
        import requests
        from urllib3.exceptions import HTTPError, ProtocolError

        host = urlsplit(url).netloc
        try:
            with self.gate(host), self._watched(host) as status:
                raw = self._session().get(
                    url, headers=headers, timeout=TIMEOUT, stream=True, allow_redirects=False
                )
                status.append(raw.status_code)
            with raw:
                return Answer(url, raw.status_code, raw.headers, whole_body(raw, most_bytes))
        except TooMuch as error:
            raise _Again(host, str(error)) from error
        except (requests.RequestException, HTTPError) as error:
            cut_off = isinstance(next(iter(error.args), None), ProtocolError)
            lost = isinstance(error, requests.ConnectionError) and not cut_off
            raise _Again(host, f"no answer ({type(error).__name__})", lost=lost) from error

    @contextlib.contextmanager
    def _watched(self, host: str) -> Iterator[list[int]]:
        status, sent = [], self._clock()
        try:
            yield status
        finally:
            if self._watch:
                self._watch(sent, host, status[0] if status else 0)

    def _session(self) -> Any:
        """A session for each thread: it keeps the connection open."""
        import requests

        if not hasattr(self._own, "session"):
            session = self._own.session = requests.Session()
            contact = f"( {self.contact} )" if self.contact else "(album cover course)"
            session.headers["User-Agent"] = f"albumlib/{__version__} {contact}"
        return self._own.session

    # Who may be asked, and when ---------------------------------------------------------------

    def _rule(self, host: str) -> tuple[str, Limit]:
        """The gate that a host is behind, and its limit."""
        name = host.removesuffix(":443")
        if name in self.hosts:
            return name, self.hosts[name]
        for rule, limit in self.hosts.items():
            if rule.startswith("*.") and name.endswith(rule[1:]):
                return rule, limit
        if "*" in self.hosts:
            return name, self.hosts["*"]
        raise Failed(f"{host} is not among the hosts that are asked")

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.netloc in self.trusted:
            return
        if parts.scheme != "https" or not parts.hostname:
            raise Failed("only https addresses are fetched")
        self._rule(parts.netloc)  # refuses hosts that are not listed
        try:
            found = socket.getaddrinfo(parts.hostname, parts.port or 443, proto=socket.IPPROTO_TCP)
        except OSError as error:
            raise _Again(parts.netloc, f"unknown host {parts.hostname}", lost=True) from error
        if any(not ipaddress.ip_address(address[4][0]).is_global for address in found):
            raise Failed(f"{parts.hostname} is a private address")

    def _enter(self, gate: str, limit: Limit) -> int:
        while not self._stopped.is_set():
            now = self._clock()
            place, ready = self._ledger.enter(gate, limit, now)
            if place:
                return place
            if ready - now > self.longest_wait:
                raise Wait(gate, ready)
            # a place under way counts with its grace, and is free much sooner once answered
            self._sleep(max(min(ready - now, limit.seconds), 0.001))
        raise SourceError("stopped; everything gathered so far is kept")


class TooMuch(Exception):
    """A body is longer than we take, or comes too slowly."""


class _Again(Exception):
    """It went wrong this time. `lost`: the host did not even answer; `seconds`: so it asks."""

    def __init__(
        self, host: str, reason: str, *, status: int = 0, seconds: float = 0.0, lost: bool = False
    ):
        super().__init__(reason)
        self.host, self.status, self.seconds, self.lost = host, status, seconds, lost


@dataclass
class _Hop:
    """How far a request has been redirected."""

    url: str
    count: int = 0


def whole_body(raw: Any, most_bytes: int = MOST_BYTES) -> bytes:
    """The body of requests' answer, unpacked. Raises TooMuch while it streams."""
    data, begun = bytearray(), time.monotonic()
    while piece := raw.raw.read1(65536, decode_content=True):
        data += piece
        if len(data) > most_bytes:
            raise TooMuch(f"more than {most_bytes / 2**20:.0f} MB")
        if time.monotonic() - begun > SLOW and raw.raw.length_remaining != 0:
            raise TooMuch(f"slower than {SLOW:.0f} seconds")
    return bytes(data)


def _prepared(url: str, params: object) -> str:
    import requests

    try:
        return requests.Request("GET", url, params=params).prepare().url
    except requests.RequestException as error:
        raise Failed("only https addresses are fetched") from error


def _judged(answer: Answer) -> Answer:
    """The answer, if it is one."""
    host = urlsplit(answer.url).netloc
    if answer.status in BUSY or answer.status in BROKEN:
        seconds = retry_after(answer.headers)
        raise _Again(host, f"HTTP {answer.status}", status=answer.status, seconds=seconds)
    if answer.status in (404, 410):
        raise NotFound(f"HTTP {answer.status}")
    if answer.status != 200:
        raise Refused(host, answer)
    return answer


def retry_after(headers: Mapping[str, str]) -> float:
    """The seconds of a Retry-After, which may be a date; 0 without one."""
    text = headers.get("Retry-After", "")
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0


def _of_kind(answer: Answer, kind: str) -> Answer:
    found = answer.headers.get("Content-Type", "")
    if not found.startswith(kind):
        raise _Again(urlsplit(answer.url).netloc, f"sent {found or 'nothing'} instead of {kind}")
    return answer


def _parsed(answer: Answer, needs: str) -> Any:
    try:
        found = json.loads(answer.body)
    except ValueError as error:
        raise _Again(urlsplit(answer.url).netloc, "sent broken JSON") from error
    if needs and (not isinstance(found, dict) or needs not in found):
        raise _Again(urlsplit(answer.url).netloc, f"sent JSON without {needs!r}")
    return found


class _Ledger:
    """The places taken in each gate's window, and until when a gate is closed."""

    def __init__(self, path: str | Path):
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=60
            )
            self._db.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
                "CREATE TABLE IF NOT EXISTS places (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                "gate TEXT, free REAL);"
                "CREATE INDEX IF NOT EXISTS by_gate ON places (gate, free);"
                "CREATE TABLE IF NOT EXISTS closed (gate TEXT PRIMARY KEY, until REAL);"
            )
        except sqlite3.Error as error:
            raise SourceError(f"{path} cannot be used ({error}): delete it") from error

    def enter(self, gate: str, limit: Limit, now: float) -> tuple[int, float]:
        """A place and 0, or 0 and when there may be one."""
        last = "SELECT free FROM places WHERE gate = ? ORDER BY free DESC LIMIT 1 OFFSET ?"
        with self._transaction():
            self._db.execute("DELETE FROM places WHERE gate = ? AND free <= ?", (gate, now))
            closed = self._one("SELECT until FROM closed WHERE gate = ?", (gate,))
            ready = max(closed, self._one(last, (gate, limit.requests - 1)))
            if ready > now:
                return 0, ready
            free = now + limit.seconds + GRACE
            row = self._db.execute("INSERT INTO places (gate, free) VALUES (?, ?)", (gate, free))
            return row.lastrowid, 0.0

    def leave(self, place: int, gate: str, free: float) -> None:
        """The request was answered: its place will be free at this time."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", (place, gate, free))

    def close_gate(self, gate: str, until: float) -> None:
        """Let nobody through until then, or longer if that was said before."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO closed VALUES (?1, ?2) "
                "ON CONFLICT (gate) DO UPDATE SET until = max(until, ?2)",
                (gate, until),
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def _one(self, query: str, values: tuple) -> float:
        found = self._db.execute(query, values).fetchone()
        return found[0] if found else 0.0


def credentials(*names: str, where: str = "") -> dict[str, str]:
    """Secrets by name, from the environment or else from the nearest file `.env`.

    `where` says where one gets them. Raises SourceError if one is missing.
    """
    known = {**_dotenv(), **os.environ}
    if missing := [name for name in names if not known.get(name)]:
        raise SourceError(
            f"{' and '.join(missing)} must be set, in the environment or in a file .env with "
            f"lines such as {missing[0]}=..." + (f"; {where}" if where else "")
        )
    return {name: known[name] for name in names}


def _dotenv() -> dict[str, str]:
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / ".env").is_file():
            lines = (folder / ".env").read_text(encoding="utf-8").splitlines()
            pairs = (line.partition("=") for line in lines if not line.lstrip().startswith("#"))
            return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs}
    return {}
