"""The text classifier: names count, their absence and their smears do not."""

import numpy as np
import pytest

from albumlib.evaluation import legibility
from albumlib.evaluation.legibility import FILE, legible, load_text_reader
from albumlib.models.checkpoint import TrainingError, read_tensors, write_tensors
from albumlib.sources.imprint.imprint import Imprint


def test_it_tells_names_from_none_and_from_smears_on_another_imprint():
    imprint = Imprint(2021, albums=9000, corruption=0)
    pixels, answers = legibility.examples(imprint, range(8000, 8100))
    assert (legible(load_text_reader(), pixels) == answers).mean() > 0.9
    about = read_tensors(FILE)[1]
    assert about["accuracy"] > 0.92 and FILE.stat().st_size < 1.5e6


def test_only_the_letters_are_smeared():
    imprint = Imprint(2021, albums=100, corruption=0)
    names, none = (imprint.picture(3, 128, text=text) for text in (True, False))
    shown = np.asarray(legibility.smeared(names, none, 3)).astype(int)
    names, none = np.asarray(names).astype(int), np.asarray(none).astype(int)
    rows, columns = np.nonzero(np.abs(names - none).max(2))
    near = np.zeros(names.shape[:2], bool)
    top, left = max(0, rows.min() - 12), max(0, columns.min() - 12)
    near[top : rows.max() + 13, left : columns.max() + 13] = True
    assert not near.all() and (shown == names)[~near].all()
    assert np.abs(shown - names)[near].max() > 60


def test_a_known_word_is_read_at_print_size_and_another_is_not():
    pytest.importorskip("rapidocr")
    imprint = Imprint(2021, albums=100, corruption=0)
    album = next(i for i in range(100) if imprint.album(i).title.isascii())
    shown = np.stack([np.asarray(imprint.picture(album, 416, text=text)) for text in (True, False)])
    title = imprint.album(album).title
    assert legibility.known_words(shown, [title]).tolist() == [True, False]
    assert not legibility.known_words(shown, ["Xylophone"]).any()


def test_another_version_is_refused(tmp_path):
    old = tmp_path / "old.safetensors"
    write_tensors(old, legibility.TextReader().state_dict(), {"version": 0})
    with pytest.raises(TrainingError, match="another version"):
        load_text_reader(path=old)
