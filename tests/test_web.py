import socket
import threading
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from albumlib.sources import answers, transport, web
from albumlib.sources.answers import NotFound, Refused
from albumlib.sources.base import SourceError
from albumlib.sources.credentials import credentials
from albumlib.sources.pace import Ledger
from albumlib.sources.web import Failed, Limit, Wait, Web
from tests.servers.hostile import Hostile
from tests.servers.pictures import PictureServer, jpeg

PICTURE = jpeg()
OFTEN = Limit(1000, 1.0)


@pytest.fixture(scope="module")
def server():
    server = PictureServer(PICTURE)
    yield server
    server.close()


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 1e9

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def client(server, limit=OFTEN, **options):
    clock = Clock()
    options = {"memory": ":memory:", "clock": clock, "sleep": clock.sleep} | options
    return Web({server.netloc: limit}, trusted=frozenset({server.netloc}), **options)


def get(server, path, **options):
    return client(server, **options).get(server.url(path)).content


@pytest.mark.parametrize("path", ["ok/a", "redirect/a", "busy/a", "broken/a", "cut/a"])
def test_pictures_arrive_whole_in_spite_of_passing_faults(server, path):
    assert get(server, path) == PICTURE


@pytest.mark.parametrize(
    ("path", "kind", "reason", "requests"),
    [
        ("missing/a", NotFound, "HTTP 404", 1),
        ("forbidden/a", Refused, "HTTP 403", 1),
        ("loop", Failed, "too many redirects", 6),
        ("away/a", Failed, "10.0.0.1 is not among the hosts", 6),
        ("endless/a", Failed, "more than 8 MB", 6),
        ("dead/a", Failed, "HTTP 500", 6),
        ("patient/a", Wait, "asks for a pause", 1),
        ("storm/a", Wait, "asks for a pause", 6),
    ],
)
def test_what_cannot_be_had_is_given_up_with_a_reason(server, path, kind, reason, requests):
    with pytest.raises(kind, match=reason):
        get(server, path)
    assert server.asked["/" + path] == requests


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.org/x.jpg", "only https"),
        ("file:///etc/passwd", "only https"),
        ("nonsense", "only https"),
        ("https://127.0.0.1/x.jpg", "private address"),
        ("https://localhost/x.jpg", "private address"),
        ("https://[::1]/x.jpg", "private address"),
        ("https://169.254.169.254/latest", "private address"),
    ],
)
def test_addresses_that_are_none_of_ours_are_refused(url, reason):
    with pytest.raises(Failed, match=reason):
        Web({"*": Limit(1, 1)}, memory=":memory:").get(url)


def test_a_name_that_nobody_knows_is_no_network(monkeypatch):
    def lost(*args, **options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lost)
    quick = {"memory": ":memory:", "longest_wait": 0.0, "sleep": lambda seconds: None}
    with pytest.raises(web.Unreachable, match="check the network"):
        Web({"example.org": OFTEN}, **quick).get("https://example.org/a")
    with pytest.raises(Failed, match="unknown host example"):
        Web({"*": OFTEN}, **quick).get("https://example.org/a")


def test_only_listed_hosts_are_asked():
    hosts = {"archive.org": Limit(1, 1), "*.archive.org": Limit(1, 1)}
    polite = Web(hosts, memory=":memory:")
    for host, gate in {
        "archive.org": "archive.org", "archive.org:443": "archive.org",
        "ia800.us.archive.org": "*.archive.org",
    }.items():  # fmt: skip
        assert polite._rule(polite._host(f"https://{host}/"))[0] == gate
    for host in ("evil-archive.org", "archive.org.evil.net", "archive.org:8443", "example.org"):
        with pytest.raises(Failed, match="not among the hosts"):
            polite.get(f"https://{host}/")


def most_in_window(times, seconds):
    """The most events in any stretch of time, by brute force."""
    return max(sum(start <= t < start + seconds for t in times) for start in times)


def test_the_window_rolls_and_holds_for_all_threads(tmp_path):
    """Real time, many threads, two clients that share a memory: one limit."""
    server = PictureServer(PICTURE)
    limit = Limit(8, 0.2)
    clients = [
        client(server, limit, memory=tmp_path / "m", clock=time.time, sleep=None) for _ in range(2)
    ]

    def work(polite):
        for n in range(6):
            polite.get(server.url(f"ok/{n}"))

    threads = [threading.Thread(target=work, args=(clients[n % 2],)) for n in range(6)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    server.close()
    assert len(server.times) == 36
    assert most_in_window(server.times, limit.seconds) <= 8
    assert took >= 0.2 * (36 / 8 - 1)


def test_places_survive_a_restart(server, tmp_path):
    first = client(server, Limit(3, 60.0), memory=tmp_path / "memory")
    for n in range(2):
        first.get(server.url(f"ok/{n}"))
    with first.gate(server.netloc):  # killed while a request was under way
        second = client(server, Limit(3, 60.0), memory=tmp_path / "memory")
        second._clock.now = first._clock.now
        begun = second._clock.now
        second.get(server.url("ok/again"))
        assert second._clock.now - begun >= 60


def test_busy_stops_everybody_until_the_host_is_ready(server):
    polite = client(server)
    sent = []
    polite._watch = lambda at, host, status: sent.append((at, status))
    polite.pause(server.netloc, 30.0)
    polite.get(server.url("ok/p"))
    assert sent[0][0] >= 1e9 + 30
    polite.get(server.url("soon/a"))  # 429, Retry-After: 7
    (first, status), (second, _) = sent[1:]
    assert status == 429 and second - first >= 7


def test_a_long_wait_ends_the_run_and_is_remembered(server, tmp_path):
    clock = Clock()
    polite = client(server, memory=tmp_path / "memory", clock=clock, sleep=clock.sleep)
    with pytest.raises(Wait) as caught:
        polite.get(server.url("patient/b"))
    assert caught.value.until == datetime.fromtimestamp(1e9 + 3600)
    again = client(server, memory=tmp_path / "memory")
    with pytest.raises(Wait):
        again.get(server.url("ok/b"))
    assert server.asked["/ok/b"] == 0
    clock.sleep(3601)
    assert polite.get(server.url("ok/b")).content == PICTURE


def test_a_host_that_breaks_again_and_again_is_left_alone(server):
    polite = client(server)
    for n in range(4):
        with pytest.raises(Failed):
            polite.get(server.url(f"dead/{n}"))
    with pytest.raises(Wait):
        polite.get(server.url("dead/5"))


def test_a_silent_host_is_waited_for_and_then_said_plainly():
    server = PictureServer(PICTURE)
    server.close()
    polite = client(server, longest_wait=300.0)
    with pytest.raises(web.Unreachable, match="check the network"):
        polite.get(server.url("ok/a"))
    assert polite._clock.now - 1e9 >= 300


def test_slow_bodies_are_cut(server, monkeypatch):
    monkeypatch.setattr(transport, "SLOW", 0.5)
    monkeypatch.setattr(web, "RETRIES", 1)
    with pytest.raises(Failed, match="slower than"):
        get(server, "trickle/a")


def test_json_and_kinds_are_asked_for_again_when_broken(server):
    polite = client(server)
    assert polite.json(server.url("json/a")) == {"answer": 42}
    assert server.asked["/json/a"] == 2
    assert polite.picture(server.url("page/a")) == PICTURE
    assert server.asked["/page/a"] == 2


def test_who_asks_is_said(server):
    client(server, contact="me@example.org").get(server.url("ok/agent"))
    assert server.agents[-1].startswith("albumlib/")
    assert server.agents[-1].endswith("( me@example.org )")


def test_stopped_it_wakes_up_at_once(server):
    polite = client(server, sleep=None, clock=time.time)
    polite.pause(server.netloc, 60)
    threading.Timer(0.05, polite.stop).start()
    begun = time.monotonic()
    with pytest.raises(SourceError, match="stopped"):
        polite.get(server.url("ok/late"))
    assert time.monotonic() - begun < 10


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7), (" 7 ", 7), ("0.5", 0.5), ("48925", 48_925), ("-3", 0), ("", 0), ("soon", 0),
        ("1500ms", 1.5), ("1500 MS", 1.5), ("nan", 0), ("inf", answers.LONGEST),
        ("1e300", answers.LONGEST), ("9" * 400, answers.LONGEST), ("-inf", 0),
        ("1700000000", 0), ("1800000030", 30), ("1800000030000", 30), ("1900000000", 86_400),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("Fri, 31 Dec 9999 23:59:59 -1200", 86_400), ("Mon, 99 Foo 2026 99:99:99 GMT", 0),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60), ("253402300800", 86_400), ("\x00", 0),
    ],
)  # fmt: skip
def test_what_retry_after_says(monkeypatch, text, seconds):
    monkeypatch.setattr(answers.time, "time", lambda: NOW)
    assert answers.retry_after({"Retry-After": text}) == pytest.approx(seconds, abs=1e-3)


@given(st.text())
def test_whatever_retry_after_says_it_is_between_nothing_and_a_day(text):
    assert 0 <= answers.retry_after({"Retry-After": text}) <= 86_400


@pytest.mark.parametrize("text", ["inf", "9999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_host_closes_for_longer_than_a_day(text, tmp_path):
    head = f"HTTP/1.1 429 No\r\nRetry-After: {text}\r\nContent-Length: 0\r\n\r\n".encode()
    with Hostile([head]) as host:
        with pytest.raises(Wait):
            client(host, memory=tmp_path / "memory").get(host.url("a"))
        later = client(host, memory=tmp_path / "memory")
        later._clock.now += 86_401
        with later.gate(host.netloc):
            pass


def test_pauses_that_cannot_be_true_are_not_kept(tmp_path):
    """As a version before this one, or a clock that was wrong, may have written them."""
    clock = Clock()
    ledger = Ledger(tmp_path / "memory")
    ledger._db.execute("INSERT INTO closed VALUES ('a host', 1e12), ('b', 9e999)")
    ledger._db.execute("INSERT INTO places (gate, free) VALUES ('a host', 1e12), ('b', 9e999)")
    for gate in ("a host", "b"):
        assert ledger.enter(gate, Limit(1, 1.0), clock.now)[0]


def test_pauses_are_forgotten_when_asked(tmp_path):
    polite = Web({"a": OFTEN}, memory=tmp_path / "memory")
    polite.pause("a", 50_000)
    with pytest.raises(Wait, match="--forget-pauses"), polite.gate("a"):
        pass
    assert web.forget_pauses(tmp_path / "memory") == 1
    assert web.forget_pauses(tmp_path / "none") == 0
    with polite.gate("a"):
        pass


def test_credentials_from_the_environment_or_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AN_ID", "from outside")
    monkeypatch.delenv("A_SECRET", raising=False)
    with pytest.raises(SourceError, match=r"A_SECRET must be set.* from the shop") as caught:
        credentials("AN_ID", "A_SECRET", where="get it from the shop")
    assert "from outside" not in str(caught.value)
    (tmp_path / ".env").write_text("# mine\nA_SECRET='x=y'\nAN_ID=in file\n")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert credentials("AN_ID", "A_SECRET") == {"AN_ID": "from outside", "A_SECRET": "x=y"}
