"""What several tests share: the places of the project, and the real data beside it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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
