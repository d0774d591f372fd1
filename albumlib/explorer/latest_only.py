"""Work on a thread, of which only the newest counts: what keeps a slider from waiting."""

import threading
from collections.abc import Callable


class Stopped(Exception):
    """A newer request has come; the work on this one is given up."""


class LatestOnly:
    """Runs one piece of work at a time on a thread; of those that wait only the newest is run."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: Callable[[], None] | None = None
        self._running = False

    def ask(self, work: Callable[[], None]) -> None:
        """Run `work` as soon as the present one is done, unless something newer comes."""
        with self._changed:
            self._waiting = work
            self._changed.notify_all()
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, daemon=True).start()

    def check(self) -> None:
        """To be called by long work: raises Stopped if something newer waits."""
        if self._waiting is not None:
            raise Stopped

    def settle(self, seconds: float) -> None:
        """Pause work for so long; raises Stopped at once if something newer comes."""
        with self._changed:
            if self._changed.wait_for(lambda: self._waiting is not None, seconds):
                raise Stopped

    def stop(self) -> None:
        """Give up what runs, at its next `check`."""
        with self._changed:
            if self._running:
                self._waiting = lambda: None  # in the place of work that is given up
                self._changed.notify_all()

    def wait(self, timeout: float = 60) -> bool:
        """Until nothing runs or waits; False if that took longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, timeout)

    def _run(self) -> None:
        while True:
            with self._changed:
                work, self._waiting = self._waiting, None
                if work is None:
                    self._running = False
                    self._changed.notify_all()
                    return
            work()
