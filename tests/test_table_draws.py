"""Tables drawn by hypothesis: rows in = tracks + put aside, and each kept value is the file's."""

import csv
import gzip
import io
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from albumlib import features
from albumlib.sources.tables import Table

HEADERS = {
    "energy": ("energy", "Energy", "track_energy", "nrgy"),
    "valence": ("valence", "audio_valence", "val"),
    "loudness": ("loudness", "Loudness (dB)", "dB"),
    "tempo": ("tempo", "BPM", "Beats Per Minute (BPM)"),
}
WORDS = st.text(
    st.characters(codec="cp1252", exclude_categories=("C", "Z")), min_size=1, max_size=12
) | st.sampled_from(["None", "NA", '12"', '"Heroes"', "a, b", "x;y", "Ünïcode", "1999", "é"])
SHARES = st.integers(1, 999).map(lambda n: n / 1000)
RANGES = {
    "energy": SHARES,
    "valence": SHARES,
    "loudness": st.integers(-5999, -1).map(lambda n: n / 100),
    "tempo": st.integers(3000, 24_999).map(lambda n: n / 100),
}


@st.composite
def tables(draw):
    """A table's bytes and suffix, the values of its rows, and which of these were spoiled."""
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), min_size=1, unique=True))
    percent = draw(st.booleans()) and "energy" in names
    headers = ["name", "artist", *(draw(st.sampled_from(HEADERS[name])) for name in names)]
    if percent:
        headers[2 + names.index("energy")] = "energy_%"
    rows = draw(
        st.lists(
            st.tuples(WORDS, WORDS, *(RANGES[name] for name in names)), min_size=12, max_size=30
        )
    )
    if percent:  # where all are below 1 %, nobody could tell them from fractions
        place = 2 + names.index("energy")
        assume(sum(row[place] > 0.01 for row in rows) > len(rows) / 2)
    ragged = draw(st.sets(st.integers(0, len(rows) - 1), max_size=3))
    separator = draw(st.sampled_from(",;\t|"))
    comma = separator != "," and draw(st.booleans())
    lines = io.StringIO()
    writer = csv.writer(
        lines, delimiter=separator, lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )  # fmt: skip
    trailing = [""] if draw(st.booleans()) else []
    writer.writerow(headers)
    for number, row in enumerate(rows):
        cells = [f"{v * 100:.1f}" if percent and n == "energy" else repr(v)
                 for n, v in zip(names, row[2:], strict=True)]  # fmt: skip
        cells = [cell.replace(".", ",") if comma else cell for cell in cells]
        extra = ["0.5"] if number in ragged else []
        writer.writerow([*row[:2], *extra, *cells, *trailing])
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    return lines.getvalue().encode(encoding), names, rows, ragged, draw(st.sampled_from(PACKINGS))


def zipped(data):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("songs.csv", data)
    return stream.getvalue()


PACKINGS = (bytes, gzip.compress, zipped)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_rows_are_tracks_or_put_aside_and_values_are_the_files(table):
    data, names, rows, ragged, pack = table
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "songs"
        path.write_bytes(pack(data))
        read = Table(path)
    assert read.account.rows == len(rows) == len(read) + len(read.account.put_aside)
    aside = read.account.reasons
    assert aside.pop("more cells than headers", 0) == len(ragged)
    assert set(aside) <= {"stands twice"}
    wanted = [row for number, row in enumerate(rows) if number not in ragged]
    assert len(wanted) >= len(read) >= len({row[2:] for row in wanted})
    found = iter(wanted)
    for track in read.tracks():  # in the order of the file, each with its values
        values = pytest.approx([track.features[name] for name in names], abs=1e-9)
        matches = (row for row in found if row[0].strip() == track.name and list(row[2:]) == values)
        assert next(matches, None), track  # what stands twice is passed over
    assert set(read.account.columns) == set(names) <= set(features.NAMES)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_a_table_or_one_sentence(data):
    from albumlib.sources.base import SourceError

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(b"name,energy\n" + data)
        try:
            read = Table(path)
        except SourceError as error:
            assert "\n" not in str(error)
        else:
            assert read.account.rows == len(read) + len(read.account.put_aside)
