"""albumlib: from songs to album covers made from their sound."""

__version__ = "0.1.0"


class AlbumlibError(Exception):
    """Something that the user can put right; the message is one sentence that says how."""
