"""The built-in record company whose covers follow the music by a law that is written down: its
artists, albums and tracks, and the code that draws the covers. Imports `features`, `runtime` and
`sources.base`.
"""
