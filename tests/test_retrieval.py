import numpy as np
import pytest
import torch

from albumlib.evaluation import retrieval
from albumlib.models import titles
from albumlib.models.checkpoint import TrainingError, write_tensors

WORDS = ("red", "blue")


def coloured(count, seed=0):
    """Covers that are red or blue, and titles that say so: tokens (count, 1, TOKENS)."""
    rng = np.random.default_rng(seed)
    red = rng.random(count) < 0.5
    pixels = rng.integers(0, 60, (count, 32, 32, 3)).astype(np.uint8)
    pixels[red, :, :, 0] += 150
    pixels[~red, :, :, 2] += 150
    given = titles.tokens([WORDS[0] if r else WORDS[1] for r in red], WORDS)
    return pixels, given[:, None], red


def test_ranks_agree_with_counting_by_hand():
    class Oracle:
        """Embeds as the first numbers."""

        def embed_covers(self, covers):
            return torch.nn.functional.normalize(covers[:, 0, 0, :4], dim=1)

        def embed_titles(self, tokens):
            return torch.nn.functional.normalize(tokens[:, :4], dim=1)

    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    given = rng.random((12, titles.TOKENS)).astype(np.float32)
    ranks = retrieval.retrieval_ranks(Oracle(), pixels, given, choices=12)
    from albumlib.models.networks import to_covers

    scores = (
        Oracle().embed_covers(to_covers(pixels)) @ Oracle().embed_titles(torch.from_numpy(given)).T
    )
    by_hand = [(scores[n] > scores[n, n]).sum().item() for n in range(12)]
    assert ranks.tolist() == by_hand


def test_titles_that_tie_count_half():
    pixels, given, _ = coloured(10)
    matcher = retrieval.TitleMatcher(len(WORDS)).eval()
    same = np.repeat(given[:1, 0], 10, axis=0)
    assert (retrieval.retrieval_ranks(matcher, pixels, same, choices=5) == 2).all()


def test_accuracy_shares_a_tie():
    assert retrieval.accuracy(np.array([0.0, 0.5, 1.0, 7.0])) == pytest.approx(1.5 / 4)
    assert retrieval.accuracy(np.array([0.0, 4.5, 5.0]), within=5) == pytest.approx(1.5 / 3)


def test_a_matcher_learns_what_belongs_together_and_is_the_same_when_opened(tmp_path):
    pixels, given, _ = coloured(300)
    matcher = retrieval.train_matcher(pixels, given, len(WORDS), epochs=10, batch_size=32)
    new, wanted, red = coloured(60, seed=1)
    with torch.no_grad():
        from albumlib.models.networks import to_covers

        seen = matcher.embed_covers(to_covers(new))
        named = matcher.embed_titles(torch.from_numpy(titles.tokens(WORDS, WORDS)))
    assert (((seen @ named.T).argmax(1).numpy() == 0) == red).mean() > 0.95
    write_tensors(tmp_path / "m.safetensors", matcher.state_dict(), {"words": WORDS})
    opened, words = retrieval.load_matcher(tmp_path / "m.safetensors")
    assert words == WORDS
    ranks = [retrieval.retrieval_ranks(m, new, wanted[:, 0], 20) for m in (matcher, opened)]
    assert (ranks[0] == ranks[1]).all()
    with pytest.raises(TrainingError, match="no checkpoint"):
        retrieval.load_matcher(tmp_path / "missing.safetensors")
