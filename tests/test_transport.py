"""Addresses that lead elsewhere, and servers that never come to an end."""

import itertools
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from albumlib.sources import transport, web
from albumlib.sources.base import Failed, SourceError
from albumlib.sources.web import Limit, Web
from tests.servers.hostile import HEAD, Hostile
from tests.servers.pictures import PictureServer, jpeg

OFTEN = Limit(1000, 1.0)
ARCHIVE = {"*.archive.org": OFTEN}


def client(*netlocs, hosts=None, **options):
    hosts = dict.fromkeys(netlocs, OFTEN) if hosts is None else hosts
    options = {"memory": ":memory:", "sleep": lambda seconds: None, "longest_wait": 0.0} | options
    return Web(hosts, trusted=frozenset(netlocs), **options)


def public(monkeypatch, *numbers):
    """Every name is found at these numbers; returns where connections were made to."""
    reached = []

    def find(host, port, *arguments, **options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in numbers]

    def connect(address, *arguments, **options):
        reached.append(address)
        raise ConnectionRefusedError("nobody is to be asked in a test")

    monkeypatch.setattr(transport.socket, "getaddrinfo", find)
    monkeypatch.setattr(transport, "create_connection", connect)
    return reached


# Addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://127.0.0.1\\@x.archive.org/", "backslash"),
        ("https://x.archive.org\\@127.0.0.1/", "backslash"),
        ("https://x.archive.org/a b", "white space"),
        (" https://x.archive.org/", "white space"),
        ("https://x.archive.org/\n", "white space"),
        ("https://x.archive.org/\x00", "white space"),
        ("https://x.archive.org@127.0.0.1/", "user's name"),
        ("https://me:secret@x.archive.org/", "user's name"),
        ("https://[::1", "no address"),
        ("https://x.archive.org:port/", "no address"),
        ("https://x.archive.org:99999/", "no address"),
        ("https://x.archive.org:8443/", "not among the hosts"),
        ("https://archive.org.evil.net/", "not among the hosts"),
        ("https:x.archive.org", "https"),
        ("//x.archive.org/", "only https"),
        ("HTTP://x.archive.org/", "only https"),
        ("", "only https"),
    ],
)
def test_an_address_is_what_the_client_reads(monkeypatch, url, reason):
    reached = public(monkeypatch, "93.184.216.34")
    with pytest.raises(Failed, match=reason):
        client(hosts=ARCHIVE).get(url)
    assert not reached


@pytest.mark.parametrize("url", ["https://pics..example/", f"https://{'a' * 70}.example/"])
def test_a_name_that_cannot_be_one_is_a_failed_cover(url):
    with pytest.raises(Failed, match="no name of a host"):
        client(hosts={"*": OFTEN}).get(url)


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1\\@x.archive.org/",
        "https://[::1",
        "https://x.archive.org:port/",
        "https://me@x.archive.org/",
        "\\\\127.0.0.1/",
        "https://127.0.0.1/",
    ],
)
def test_a_redirect_is_read_like_any_address(monkeypatch, location):
    head = b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n"
    with Hostile([head % location.encode()]) as server:
        polite = client(server.netloc, hosts=ARCHIVE | {server.netloc: OFTEN})
        with pytest.raises(Failed, match="redirected"):
            polite.get(f"http://{server.netloc}/")


@pytest.mark.parametrize(
    "number",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:127.0.0.1",
     "100.64.0.1", "0.0.0.0", "224.0.0.1", "ff02::1"],
)  # fmt: skip
def test_one_private_number_among_public_ones_is_enough(monkeypatch, number):
    reached = public(monkeypatch, "93.184.216.34", number)
    with pytest.raises(Failed, match="private address"):
        client(hosts=ARCHIVE).get("https://x.archive.org/")
    assert not reached


def test_what_was_checked_is_what_is_connected_to(monkeypatch):
    """A name that changes its number between two questions gains nothing: it is asked once."""
    reached = public(monkeypatch, "93.184.216.34", "93.184.216.35")
    with pytest.raises(Failed, match="no answer"):
        client(hosts={"*": OFTEN}).get("https://x.archive.org/")
    assert set(reached) == {("93.184.216.34", 443), ("93.184.216.35", 443)}


PIECES = [
    "x.archive.org", "127.0.0.1", "evil.net", "archive.org", "[::1]", "[", "]", "me", "8443", "%2e",
    "%40", "%5c", "//", "https://", "xn--a", *"@:/\\?#%.&=; \t\n\x00é。\ud800",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=7).map("".join))
def test_no_address_leads_to_a_host_that_is_not_listed(rest):
    looked_up = []

    def find(host, port, *arguments, **options):
        looked_up.append((host, port))
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport.socket, "getaddrinfo", find)
        with pytest.raises(SourceError):
            client(hosts=ARCHIVE).get("https://" + rest)
    assert all(host.endswith(".archive.org") and port == 443 for host, port in looked_up)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", folder / "key", "-out", folder / "cert", "-subj", "/CN=x.archive.org",
         "-addext", "subjectAltName=DNS:x.archive.org"],
        capture_output=True, check=True,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize(("name", "right"), [("x.archive.org", True), ("y.archive.org", False)])
def test_tls_asks_for_the_name_though_a_number_is_connected_to(
    monkeypatch, certificate, name, right
):  # fmt: skip
    asked = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    context.sni_callback = lambda line, server_name, _: asked.append(server_name)
    server = PictureServer(jpeg())
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    reached = public(monkeypatch, "93.184.216.34")
    monkeypatch.setattr(transport, "create_connection", partial(_there, server, reached))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert"))
    polite = client(hosts=ARCHIVE)
    if right:
        assert polite.picture(f"https://{name}/ok/a") == jpeg()
    else:
        with pytest.raises(Failed, match="SSLError"):
            polite.picture(f"https://{name}/ok/a")
    assert set(asked) == {name} and set(reached) == {("93.184.216.34", 443)}
    server.close()


def _there(server, reached, address, *arguments, **options):
    """A connection to the server, whatever address is asked for."""
    reached.append(address)
    line = socket.socket()
    line.connect(server._server.server_address)
    return line


# Time ---------------------------------------------------------------------------------------------

ENDLESS = {
    "headers": itertools.chain(
        [HEAD], itertools.repeat(b"X-More: x\r\n", 90), itertools.repeat(b"")
    ),
    "one header": itertools.chain([HEAD + b"X: "], itertools.repeat(b"x")),
    "100 Continue": itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": itertools.chain([HEAD + b"Content-Length: 100000\r\n\r\n"], itertools.repeat(b"x")),
    "chunks": itertools.chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1\r\nx\r\n")
    ),
    "trailers": itertools.chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"], itertools.repeat(b"X: y\r\n")
    ),
    "silence": itertools.repeat(b""),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_request_ends_in_its_time_whatever_is_slow(monkeypatch, what):
    monkeypatch.setattr(transport, "SLOW", 0.6)
    monkeypatch.setattr(web, "RETRIES", 0)
    with Hostile(ENDLESS[what], pause=0.05) as server:
        begun = time.monotonic()
        with pytest.raises(Failed, match="slower than"):
            client(server.netloc).get(f"http://{server.netloc}/")
        assert time.monotonic() - begun < 3
        if what != "silence":
            assert server.hung_up.wait(5)


@pytest.mark.parametrize("what", ["silence", "100 Continue", "body"])
def test_stopped_it_hangs_up_within_a_second(what):
    with Hostile(ENDLESS[what], pause=0.05) as server:
        polite = client(server.netloc)
        threading.Timer(0.3, polite.stop).start()
        begun = time.monotonic()
        with pytest.raises(SourceError, match="stopped"):
            polite.get(f"http://{server.netloc}/")
        assert time.monotonic() - begun < 1.3


GATHER = """
import sys
from albumlib.runtime.workers import spread
from albumlib.sources.web import Limit, Web
netloc = sys.argv[1]
polite = Web({netloc: Limit(99, 1.0)}, trusted=frozenset({netloc}), memory=":memory:")
urls = [f"http://{netloc}/{n}" for n in range(9)]
print("up", flush=True)
list(spread(polite.get, urls, int(sys.argv[2]), threads=True, stop=polite.stop))
"""


@pytest.mark.parametrize("workers", [1, 4])
def test_ctrl_c_ends_everything_within_a_second(workers):
    with Hostile(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"), pause=0.05) as server:
        command = [sys.executable, "-c", GATHER, server.netloc, str(workers)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.readline()
        while len(server.requests) < workers:
            time.sleep(0.01)
        begun = time.monotonic()
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=10)
        assert time.monotonic() - begun < 1.5
        assert child.returncode != 0


# What comes back ----------------------------------------------------------------------------------


def test_a_redirect_of_any_length_costs_nothing():
    """requests would read it all, and whatever stands behind it, before it says so."""
    head = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 999999999\r\n\r\n"
    answers = itertools.chain([head], itertools.repeat(bytes(2**20), 99))
    sent = []
    counted = (sent.append(1) or piece for piece in answers)
    with Hostile(counted) as server:
        with pytest.raises(SourceError):
            client(server.netloc).get(f"http://{server.netloc}/")
        assert len(sent) < 90


def test_no_cookie_is_kept_and_no_password_sent(tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: who=you; Path=/\r\nContent-Length: 2\r\n\r\nok"
    with Hostile([head]) as server:
        polite = client(server.netloc)
        for _ in range(2):
            assert polite.get(f"http://{server.netloc}/").content == b"ok"
    everything = b"".join(server.requests).lower()
    assert b"cookie" not in everything and b"authorization" not in everything


def test_a_proxy_that_the_environment_names_is_asked(monkeypatch):
    pieces = [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"]
    with Hostile(pieces) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "")
        assert client("x.example:80").get("http://x.example:80/a").content == b"ok"
        assert proxy.requests[0].startswith(b"GET http://x.example:80/a ")


@pytest.mark.parametrize("kind", ["image/jpeg", "IMAGE/JPEG", "Application/Octet-Stream", ""])
def test_a_picture_is_what_decodes_as_one(kind):
    picture = jpeg()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    with Hostile([head % (kind.encode(), len(picture)) + picture]) as server:
        assert client(server.netloc).picture(f"http://{server.netloc}/") == picture


def test_what_calls_itself_a_picture_and_is_none_is_a_failed_cover():
    page = HEAD + b"Connection: close\r\nContent-Length: 6\r\n\r\n<html>"
    reason = pytest.raises(Failed, match="sent 'image/jpeg' that is no picture")
    with Hostile([page]) as server, reason:
        client(server.netloc).picture(f"http://{server.netloc}/")


def test_bodies_are_unpacked_no_further_than_the_limit():
    body = SimpleNamespace(read1=lambda *arguments, **options: bytes(65536))
    with pytest.raises(transport.TooMuch, match="more than 1 MB"):
        transport.whole_body(body, 2**20)
