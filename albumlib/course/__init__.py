"""The notebooks as one run: profiles, resume, sweeps, the report. Imports `explorer` and what lies
below.
"""

from __future__ import annotations

from albumlib.course.runner import profile_value, record

__all__ = [
    "profile_value",
    "record",
]
