"""One polite HTTP client for all live sources.

It keeps each host's limit (see `pace`), speaks https with the hosts on a list, redirects among them
(see `transport`), and caps bodies. 429 and 503 stop everybody who asks that host until its
`Retry-After` has passed; what breaks is tried again a few times. A long wait ends with `Wait`.

urllib3's Retry would sleep within a request, out of sight of the limits and of Ctrl-C, for as
long as a server says; so trying again is done here, with a place in the window each time.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

from albumlib import __version__
from albumlib.runtime.paths import DATA
from albumlib.runtime.progress import silent
from albumlib.sources.answers import BUSY, Again, Unreachable, Wait, parsed, picture, right
from albumlib.sources.base import Failed, SourceError
from albumlib.sources.pace import Ledger, Limit

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

REDIRECTS = 5
RETRIES = 5
OUT_OF_ORDER = 5  # requests given up one after the other: the host is, not the address
COME_BACK = 600.0  # seconds, where a host does not say itself
MEMORY = DATA / "requests.sqlite"  # of the clone, where all run
DAY = " in a day"  # behind a host's name: its second limit, of a day

Result = TypeVar("Result")


class Web:
    """The client. Safe to use from several threads.

    `hosts` names who may be asked and how often: a host, "*.domain" for all below one (they share
    the limit), or "*" for any (each has its own); a host followed by DAY is a second limit.
    `contact` goes into the User-Agent. `trusted` hosts (name:port), of one's own, may be spoken to
    in plain http and at private addresses. No wait is longer than `longest_wait` seconds: the run
    ends with `Wait` instead. `memory` is the file that remembers the requests, ":memory:" for this
    client alone. `watch` gets when a request was sent, its host, and its status (0: no answer).
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
        watch: Callable[[float, str, int], None] = silent,
    ):
        from albumlib.sources.transport import Transport

        self.hosts, self.contact = dict(hosts), contact
        self.longest_wait, self._clock, self._watch = longest_wait, clock, watch
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._ledger = Ledger(memory)
        self._failures: Counter[str] = Counter()  # requests given up since the last success
        agent = f"albumlib/{__version__} " + (f"( {contact} )" if contact else "(covers course)")
        self._transport = Transport(agent, self._rule, trusted, self._stopped)

    def get(self, url: str) -> Response:
        """The answer at an address, redirects followed; its bytes are its `content`.

        Raises NotFound, Refused, or Failed for any other reason that lies with this address; Wait
        or Unreachable if it makes no sense to go on; SourceError when stopped.
        """
        return self.send(self._transport.prepare(url), right)

    def picture(self, url: str) -> bytes:
        """The picture at an address, whatever its content type says. Raises what `get` raises."""
        return self.send(self._transport.prepare(url), picture)

    def json(self, url: str, *, params: Mapping[str, Any] | None = None, needs: str = "") -> Any:
        """The JSON at an address, an object with the list `needs` in it; what is none is asked for
        again. Raises what `get` raises.
        """
        request = self._transport.prepare(url, params)
        return self.send(request, lambda answer: parsed(right(answer), needs))

    def send(self, request: PreparedRequest, read: Callable[[Response], Result]) -> Result:
        """What `read` makes of the answer to a request; while it raises Again, the last hop is
        repeated.
        """
        hops, begun = [request], self._clock()
        for attempt in itertools.count():
            try:
                result = read(self._follow(hops))
            except Again as error:
                host = self._host(hops[-1].url)
                waited = self._clock() - begun
                patient = self._is_offline(host, error) and waited < self.longest_wait
                if attempt >= RETRIES and not patient:
                    raise self._given_up(host, error) from error
                self._back_off(host, error, attempt)
            else:
                self._failures[self._rule(self._host(hops[-1].url))[0]] = 0
                return result

    @contextlib.contextmanager
    def gate(self, host: str) -> Iterator[None]:
        """Wait for a place in the host's windows and hold it while the request is under way.

        Raises Wait if there will be none for longer than `longest_wait`.
        """
        places, day = [], host + DAY
        days = [(day, self.hosts[day])] if day in self.hosts else []
        try:
            for gate, limit in (*days, self._rule(host)):
                places.append((self._enter(gate, limit), gate, limit.seconds))
            yield
        finally:
            for place, gate, seconds in places:
                self._ledger.leave(place, gate, self._clock() + seconds)

    def pause(self, host: str, seconds: float) -> None:
        """Let nobody ask this host for so long, a day at most: for answers that say so."""
        self._ledger.close_gate(self._rule(host)[0], self._clock(), seconds)

    def stop(self) -> None:
        """End what is under way; until `start`, everything asked for raises SourceError."""
        self._stopped.set()

    def start(self) -> None:
        """Go on after `stop`."""
        self._stopped.clear()

    # One request, as often as it takes ----------------------------------------------------

    def _back_off(self, host: str, error: Again, attempt: int) -> None:
        """Wait alone, or where the host is busy: with everybody else, at its gate."""
        seconds = min(60.0, 0.5 * 2 ** min(attempt, 7)) * random.uniform(0.5, 1)
        if error.status in BUSY:
            self.pause(host, error.seconds or seconds)
        else:
            self._sleep(seconds)

    def _given_up(self, host: str, error: Again) -> SourceError:
        """What to raise: it may be this address that is at fault, or the host, or the network."""
        gate = self._rule(host)[0]
        self._failures[gate] += 1
        if self._is_offline(host, error):
            return Unreachable(
                f"{host} cannot be reached: check the network and start again, "
                "everything gathered so far is kept"
            )
        if error.status == 429 or self._failures[gate] >= OUT_OF_ORDER:
            return Wait(host, self._clock() + COME_BACK)
        return Failed(str(error))

    def _is_offline(self, host: str, error: Again) -> bool:
        """Whether a host we count on is silent. Of many hosts, one may well be gone for good."""
        return error.lost and host in self.hosts

    def _follow(self, hops: list[PreparedRequest]) -> Response:
        while len(hops) <= 1 + REDIRECTS:
            answer = self._ask(hops[-1])
            if not answer.is_redirect:
                return answer
            hops.append(self._next_hop(answer, hops[-1]))
        raise Failed("too many redirects")

    def _next_hop(self, answer: Response, request: PreparedRequest) -> PreparedRequest:
        """Where a redirect leads. To a host that is none of ours: perhaps a hotel's login page."""
        if "Authorization" in request.headers:
            raise Again("redirected, which a request with a login does not follow")
        try:
            return self._transport.prepare(urljoin(request.url, answer.headers["Location"]))
        except (Failed, ValueError) as error:
            raise Again(f"redirected: {error}") from error

    def _ask(self, request: PreparedRequest) -> Response:
        """One request through its gate, which is left when the headers are there."""
        host, seen = self._host(request.url), 0

        def answered(status: int) -> None:
            nonlocal seen
            seen = status
            held.close()

        with contextlib.ExitStack() as held:
            held.enter_context(self.gate(host))
            sent = self._clock()
            held.callback(lambda: self._watch(sent, host, seen))
            return self._transport.send(request, answered)

    # Who may be asked, and when ---------------------------------------------------------------

    def _host(self, url: str) -> str:
        from albumlib.sources.transport import name_of

        return name_of(self._transport.read(url))

    def _rule(self, host: str) -> tuple[str, Limit]:
        """The gate that a host is behind, and its limit."""
        if host in self.hosts:
            return host, self.hosts[host]
        for rule, limit in self.hosts.items():
            if rule.startswith("*.") and host.endswith(rule[1:]):
                return rule, limit
        if "*" in self.hosts:
            return host, self.hosts["*"]
        raise Failed(f"{host} is not among the hosts that are asked")

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


def forget_pauses(memory: str | Path = MEMORY) -> int:
    """Forget what hosts have asked for; how many pauses there were."""
    return Ledger(memory).open_gates() if Path(memory).is_file() else 0
