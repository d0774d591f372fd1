"""albumlib: from songs to album covers made from their sound."""

__version__ = "0.1.0"
