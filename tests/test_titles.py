from functools import partial

import numpy as np
import pytest
import torch

from albumlib import titles
from albumlib.team import Dice
from albumlib.titles import CHARACTERS, TOKENS, UNKNOWN, TrackNameEncoder


def test_what_reads_alike_is_alike():
    words = ("quiet", "café")
    rows = titles.tokens(["Quiet Café", "QUIET   café", "ｑｕｉｅｔ cafe\u0301"], words)
    assert (rows == rows[0]).all()


@pytest.mark.parametrize(
    "title", ["", None, "静かな夜", "🔥🔥", "Ночь", "\u200b", "x" * 500, "a b c d e f g h"]
)
def test_any_title_is_a_row_of_tokens(title):
    [row] = titles.tokens([title], ("a", "b"))
    assert row.shape == (TOKENS,) and row.dtype == np.float32
    assert (row[:CHARACTERS] <= titles.BUCKETS).all() and (row >= 0).all()
    assert (row == np.round(row)).all() and bool(row.any()) == bool(title)


def test_words_outside_the_vocabulary_are_one_word():
    [row] = titles.tokens(["quiet thunder quiet"], ("quiet",))
    assert row[CHARACTERS : CHARACTERS + 4].tolist() == [UNKNOWN + 1, UNKNOWN, UNKNOWN + 1, 0]


def test_the_vocabulary_is_what_occurs_often_enough():
    seen = ["Fire Road", "fire and fire", "Fire!", "Road", "Moon"]
    assert titles.vocabulary(seen, least=2) == ("fire", "road")
    assert titles.vocabulary(seen, least=1, most=1) == ("fire",)


@pytest.mark.parametrize("reads", titles.ENCODERS)
def test_the_encoder_hears_what_it_is_to_hear(reads):
    torch.manual_seed(0)
    words = ("fire", "rain")
    encoder = TrackNameEncoder(len(words), reads)
    rows = torch.from_numpy(titles.tokens(["fire", "rain", "fire", "zzz", "qqq", ""], words))
    heard = encoder(rows)
    assert heard.shape == (6, titles.WIDTH) and heard.abs().max() < 1
    same = partial(torch.allclose, atol=1e-6)  # rows of one batch need not agree to the bit
    assert same(heard[0], heard[2]) and not same(heard[0], heard[1])
    assert same(heard[3], heard[4]) == (reads == "words")  # both are unknown words
    assert (heard[5] == 0).all()


def test_an_unknown_way_to_read_is_refused():
    with pytest.raises(ValueError, match="reads must be one of"):
        TrackNameEncoder(3, "letters")


def test_some_words_are_forgotten_and_no_letters():
    rows = torch.from_numpy(titles.tokens(["fire rain"] * 1000, ("fire", "rain")))
    heard = titles.forget_words(rows, 0.3, Dice(0))
    assert torch.equal(heard[:, :CHARACTERS], rows[:, :CHARACTERS])
    changed = heard[:, CHARACTERS : CHARACTERS + 2] == UNKNOWN
    assert 0.25 < changed.float().mean() < 0.35
    assert (heard[:, CHARACTERS + 2 :] == 0).all()
