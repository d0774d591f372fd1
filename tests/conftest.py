"""What several tests share: the places of the project, and the real data beside it."""

import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# A shell lets what it starts in the background ignore Ctrl-C, and so would all that is tested here.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real tracks, covers and photographs; skips where it is not at hand."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "spotify_songs_5k.csv").exists():
        pytest.skip("the real data is not at hand in ../shared/data")
    return folder


@pytest.fixture
def silent(recwarn):
    """Fails a test that warns. What the collector finds of earlier tests does not count:
    Python reports a file that somebody left open whenever it happens to be swept up.
    """
    yield
    swept = (ResourceWarning, pytest.PytestUnraisableExceptionWarning)
    said = [str(warning) for warning in recwarn if not issubclass(warning.category, swept)]
    assert not said
