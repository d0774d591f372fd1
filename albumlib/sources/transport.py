"""One request: to an address that was checked, within its time, with nothing taken along.

A name is looked up when the connection is made, which goes to the very number that was found
public; TLS still asks for the name. (Behind a proxy, the proxy looks it up.) A request runs in a
thread of its own, which is left behind when its time is over or somebody presses Ctrl-C.
"""

import contextlib
import io
import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import default_headers
from urllib3 import exceptions
from urllib3.connection import HTTPConnection
from urllib3.util import Url, parse_url
from urllib3.util.connection import create_connection

from albumlib.sources.answers import Again
from albumlib.sources.base import Failed, SourceError

MOST_BYTES = 8 * 2**20
SLOW = 60.0  # seconds that a whole request may take, from looking up the name to the last byte
CONNECT = 10.0  # of these, to connect to one address
LITTLE = 2**16  # bytes of a redirect that are read
TICK = 0.1  # seconds until Ctrl-C is noticed
POOL = 32  # connections to a host that are kept open
UNFIT = re.compile(r"[\s\\\x00-\x20\x7f]")


class TooMuch(Again):
    """An answer is longer than we take, or comes too slowly."""


class Transport:
    """Sends requests, from several threads if need be.

    `agent` is the User-Agent. `admit` raises Failed for a host (name or name:port) that is none of
    ours. `trusted` hosts (name:port) may be spoken to in plain http and at private addresses. What
    is under way ends with SourceError once `stopped` is set.
    """

    def __init__(
        self,
        agent: str,
        admit: Callable[[str], object],
        trusted: frozenset[str],
        stopped: threading.Event,
    ):
        self._agent, self._admit, self._trusted, self._stopped = agent, admit, trusted, stopped
        self._session = requests.Session()  # knows the environment's proxies and certificates
        self._adapter = _Adapter(pool_maxsize=POOL)

    def prepare(self, url: str, params: Mapping[str, Any] | None = None) -> Any:
        """A request, as requests has them. Raises Failed if the address is not fit to be asked."""
        address, headers = self.read(url), default_headers()
        try:
            return requests.Request("GET", address.url, headers, params=params).prepare()
        except (requests.RequestException, ValueError) as error:
            raise Failed(f"{url!a} is no address") from error

    def read(self, url: str) -> Url:
        """An address as urllib3 reads it. Raises Failed if it is not fit to be asked."""
        if UNFIT.search(url):
            raise Failed("addresses with white space or a backslash are not fetched")
        try:
            address = parse_url(url)
        except exceptions.LocationParseError as error:
            raise Failed(f"{url!a} is no address") from error
        if address.auth is not None:
            raise Failed("addresses with a user's name are not fetched")
        if address.netloc in self._trusted:
            return address
        if address.scheme != "https" or not address.host:
            raise Failed("only https addresses are fetched")
        self._admit(name_of(address))
        return address

    def send(self, request: Any, answered: Callable[[int], object]) -> Any:
        """The answer to a request, with its whole body; `answered` gets its status before the body
        comes.

        Raises Again (TooMuch for what is too long or too slow), Failed for addresses that are not
        public, or SourceError when stopped.
        """
        request.headers["User-Agent"] = self._agent
        exchange = _Exchange(lambda: self._exchanged(request, answered), self._addresses)
        ends = time.monotonic() + SLOW
        try:
            while not wait([exchange.outcome], TICK).done:
                if self._stopped.is_set():
                    raise SourceError("stopped; everything gathered so far is kept")
                if time.monotonic() > ends:
                    raise TooMuch(f"slower than {SLOW:.0f} seconds")
            return exchange.outcome.result()
        except (requests.RequestException, exceptions.HTTPError) as error:
            raise _lost(error, name_of(self.read(request.url))) from error
        finally:
            exchange.hang_up()

    def _exchanged(self, request: Any, answered: Callable[[int], object]) -> Any:
        settings = self._session.merge_environment_settings(request.url, {}, True, None, None)
        answer = self._adapter.send(request, timeout=(CONNECT, 2 * SLOW), **settings)
        with contextlib.closing(answer.raw):
            answered(answer.status_code)
            if answer.is_redirect:  # what it says besides is read so that the line stays open
                with contextlib.suppress(TooMuch):
                    whole_body(answer.raw, LITTLE)
                body = b""
            else:
                body = whole_body(answer.raw)
        answer.raw = io.BytesIO(body)
        return answer

    def _addresses(self, host: str, port: int) -> list[str]:
        """The numbers of a host, all of them public. Raises Failed or OSError."""
        name = name_of(Url(host=f"[{host}]" if ":" in host else host, port=port))
        try:
            found = [one[4][0] for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except UnicodeError as error:
            raise Failed(f"{host} is no name of a host") from error
        if name not in self._trusted:
            self._admit(name)  # again, where it counts: however the address was read on the way
            numbers = map(ipaddress.ip_address, found)
            if not all(number.is_global and not number.is_multicast for number in numbers):
                raise Failed(f"{host} is a private address")
        return found


def name_of(address: Url) -> str:
    """How hosts are listed: the name, and the port unless it is the usual one."""
    return address.host if address.port in (None, 443) else address.netloc


def _lost(error: Exception, host: str) -> Again:
    """What went wrong with a request to a host; `lost` if the host did not answer at all."""
    cause = next(iter(error.args), None)
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, exceptions.NameResolutionError):
        return Again(f"unknown host {host}", lost=True)
    silent = not isinstance(cause, exceptions.ProtocolError)
    lost = isinstance(error, requests.ConnectionError) and silent
    return Again(f"no answer ({type(reason if lost else error).__name__})", lost=lost)


def whole_body(raw: Any, most_bytes: int = MOST_BYTES) -> bytes:
    """The body of urllib3's answer, unpacked. Raises TooMuch while it streams."""
    data = bytearray()
    while piece := raw.read1(65536, decode_content=True):
        data += piece
        if len(data) > most_bytes:
            raise TooMuch(f"more than {most_bytes / 2**20:.0f} MB")
    return bytes(data)


class _Exchange(threading.Thread):
    """A request on its way, and the connection that it uses; `find` gives the numbers of a host."""

    def __init__(self, work: Callable[[], Any], find: Callable[[str, int], list[str]]):
        super().__init__(daemon=True)
        self.find, self.outcome = find, Future()
        self._work, self._connection, self._left = work, None, False
        self.start()

    def run(self) -> None:
        try:
            self.outcome.set_result(self._work())
        except BaseException as error:  # noqa: BLE001, for whoever waits for it
            self.outcome.set_exception(error)

    def uses(self, connection: HTTPConnection) -> None:
        """Called in the thread itself, before anything is sent."""
        self._connection = connection
        if self._left:
            raise TooMuch("nobody waits for it")

    def hang_up(self) -> None:
        """End whatever is still under way."""
        self._left = True
        if not self.outcome.done() and (line := getattr(self._connection, "sock", None)):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class _Checked:
    """What a connection of ours does otherwise than urllib3's, within an exchange."""

    def request(self, *arguments: Any, **options: Any) -> None:
        threading.current_thread().uses(self)
        super().request(*arguments, **options)

    def _new_conn(self) -> socket.socket:
        exchange = threading.current_thread()
        exchange.uses(self)
        try:
            numbers = exchange.find(self._dns_host, self.port)
        except OSError as error:
            raise exceptions.NameResolutionError(self.host, self, error) from error
        reason = OSError("no address")
        for number in numbers:
            try:
                return create_connection(
                    (number, self.port), self.timeout, socket_options=self.socket_options
                )
            except OSError as error:
                reason = error
        raise exceptions.NewConnectionError(self, str(reason)) from reason


class _Adapter(HTTPAdapter):
    """requests' adapter with connections of ours; those to a proxy are urllib3's."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        pools = self.poolmanager.pool_classes_by_scheme
        self.poolmanager.pool_classes_by_scheme = {name: _checked(pools[name]) for name in pools}


def _checked(pool: type) -> type:
    """urllib3's pool, for connections of ours."""
    connection = type("Connection", (_Checked, pool.ConnectionCls), {})
    return type("Pool", (pool,), {"ConnectionCls": connection})
