"""How often a host is asked, by all threads and all programs of one clone together.

Limits are rolling windows as the server counts them. A place in a window is taken before a request
is sent and is free again one window after it was answered, so that no delay can push two together.
The places are in a small SQLite file: neither a kill nor a second notebook lets more through.

pyrate-limiter's SQLite bucket counts when a place is taken, not when the server answered: four
processes with 60 requests in half a second came to 63 (here: 60). It keeps no pauses either.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from albumlib.sources.base import SourceError

GRACE = 5.0  # seconds after which a request whose answer nobody lived to see has been counted
LONGEST = 86_400.0  # seconds that a pause is believed
ODD = 3600.0  # seconds: what is farther off than it can be by so much, a wrong clock wrote
READY = """SELECT max(
    ifnull((SELECT until FROM closed WHERE gate = ?1), 0),
    ifnull((SELECT free FROM places WHERE gate = ?1 ORDER BY free DESC LIMIT 1 OFFSET ?2), 0))"""


@dataclass(frozen=True)
class Limit:
    """At most so many requests in any stretch of so many seconds."""

    requests: int
    seconds: float


class Ledger:
    """The places taken in each gate's window, and until when a gate is closed.

    `path` is the file, or ":memory:". Raises SourceError if it cannot be used.
    """

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
        free = now + limit.seconds + GRACE
        with self._transaction():
            self._forget("places", "free", gate, now, free + ODD)
            self._forget("closed", "until", gate, now, now + LONGEST + ODD)
            [ready] = self._db.execute(READY, (gate, limit.requests - 1)).fetchone()
            if ready > now:
                return 0, ready
            row = self._db.execute("INSERT INTO places (gate, free) VALUES (?, ?)", (gate, free))
            return row.lastrowid, 0.0

    def leave(self, place: int, gate: str, free: float) -> None:
        """The request was answered: its place will be free at this time."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", (place, gate, free))

    def close_gate(self, gate: str, now: float, seconds: float) -> None:
        """Let nobody through for so long, LONGEST at most, or longer if that was said before."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO closed VALUES (?1, ?2) "
                "ON CONFLICT (gate) DO UPDATE SET until = max(until, ?2)",
                (gate, now + min(seconds, LONGEST)),
            )

    def open_gates(self) -> int:
        """Forget every pause; how many there were."""
        with self._transaction():
            return self._db.execute("DELETE FROM closed").rowcount

    def _forget(self, table: str, column: str, gate: str, now: float, latest: float) -> None:
        """What is past, and what cannot be true."""
        query = f"DELETE FROM {table} WHERE gate = ? AND NOT ({column} > ? AND {column} < ?)"
        self._db.execute(query, (gate, now, latest))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                self._db.execute("COMMIT")
