from functools import partial

import numpy as np
import pytest
import torch

from albumlib.models import conditions, titles
from albumlib.models.titles import CHARACTERS, TOKENS, UNKNOWN, TrackNameEncoder
from albumlib.runtime.rng import Rng
from albumlib.training.beginning import read_titles
from albumlib.training.config import recipe
from albumlib.training.trainer import Trainer


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
    encoded = encoder(rows)
    assert encoded.shape == (6, titles.WIDTH) and encoded.abs().max() < 1
    same = partial(torch.allclose, atol=1e-6)  # rows of one batch need not agree to the bit
    assert same(encoded[0], encoded[2]) and not same(encoded[0], encoded[1])
    assert same(encoded[3], encoded[4]) == (reads == "words")  # both are unknown words
    assert (encoded[5] == 0).all()


def test_an_unknown_way_to_read_is_refused():
    with pytest.raises(ValueError, match="reads must be one of"):
        TrackNameEncoder(3, "letters")


def test_some_words_are_forgotten_and_no_letters():
    rows = torch.from_numpy(titles.tokens(["fire rain"] * 1000, ("fire", "rain")))
    encoded = titles.forget_words(rows, 0.3, Rng(0))
    assert torch.equal(encoded[:, :CHARACTERS], rows[:, :CHARACTERS])
    changed = encoded[:, CHARACTERS : CHARACTERS + 2] == UNKNOWN
    assert 0.25 < changed.float().mean() < 0.35
    assert (encoded[:, CHARACTERS + 2 :] == 0).all()


@pytest.mark.parametrize("reads", titles.ENCODERS)
def test_an_encoder_learns_what_titles_lead_to_expect(reads):
    rng = np.random.default_rng(0)
    moods = {"fire": 1.0, "ash": 1.0, "rain": -1.0, "moss": -1.0}
    drawn = rng.choice(list(moods), 400)
    named = [f"the {word} song" for word in drawn]
    wanted = torch.tensor([[moods[word], np.nan] for word in drawn], dtype=torch.float32)
    words = titles.vocabulary(named)
    encoder = TrackNameEncoder(len(words), reads, labels=2)
    rows = torch.from_numpy(titles.tokens(named, words))
    titles.titles_to_labels(encoder, rows, wanted, forgotten=0.0)
    asked = torch.from_numpy(titles.tokens(["a fire", "moss and rain", ""], words))
    with torch.no_grad():
        fire, moss, nothing = encoder.guess(encoder(asked))[:, 0].tolist()
    assert fire > 0.4 and moss < -0.4 and nothing == 0


def test_a_training_begins_with_encoders_that_expect_something():
    config = recipe("acgan", size=32, generator_width=4, critic_width=4, titles="both")
    named = ["loud fire", "quiet moss"] * 40
    labels = np.tile([[1.0], [-1.0]], (40, 10))
    words = titles.vocabulary(named)
    rows = torch.from_numpy(conditions.rows(labels, {}, named, words))
    trainer = Trainer(config, rows, words=words)
    read_titles(trainer, rows)
    for network in (trainer.generator, trainer.ema, trainer.critic):
        loud, quiet = network.titles.guess(network.titles(rows[:2, 10:]))
        assert (loud > 0).all() and (quiet < 0).all()
