"""From what was gathered to a cover set: catalogue, decoding, cleaning, splits, statistics.
Imports what lies below: `features`, `runtime`, `sources`.
"""
