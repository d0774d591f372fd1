"""What several tests share: the places of the project, and the real data beside it."""

import os
import signal
import subprocess
import sys
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


@pytest.fixture(scope="session", autouse=True)
def functions_of_librosa(tmp_path_factory) -> Path:
    """Where they are compiled to: anew for all tests together, by whoever is the first."""
    folder = tmp_path_factory.mktemp("numba")
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def measured_at_once(functions_of_librosa, tmp_path_factory) -> list[tuple[int, str]]:
    """The tempo of a song with 120 beats a minute, printed by two processes that start together
    where nothing is compiled, and by a third one. What they compile serves all later tests."""
    from tests.test_music import clicks, encode

    assert not list(functions_of_librosa.iterdir()), "a test before this one has to ask for it"
    song = encode(tmp_path_factory.mktemp("song") / "song.flac", clicks(120))
    code = f"from albumlib.sources.music import features_of as f; print(f({str(song)!r})['tempo'])"
    command = [sys.executable, "-c", code]
    together = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in together:
        process.wait()
    found = [(process.returncode, process.stdout.read()) for process in together]
    last = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    return [*found, (last.returncode, last.stdout)]


@pytest.fixture
def silent(recwarn):
    """Fails a test that warns. What the collector finds of earlier tests does not count:
    Python reports a file that somebody left open whenever it happens to be swept up.
    """
    yield
    swept = (ResourceWarning, pytest.PytestUnraisableExceptionWarning)
    said = [str(warning) for warning in recwarn if not issubclass(warning.category, swept)]
    assert not said
