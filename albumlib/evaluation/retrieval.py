"""Does the title steer the cover? A matcher that had no part in the training answers.

Two towers, one for covers and one for titles, are trained on real pairs so that what belongs
together is near (CLIP, Radford et al. 2021, arXiv 2103.00020). Shown a cover and 100 titles of
which one was asked for, it ranks them: chance is 1 %, real covers give the ceiling.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib.evaluation.cover_network import apply, fit, frozen
from albumlib.evaluation.label_recovery import LabelRegressor
from albumlib.models.checkpoint import read_tensors
from albumlib.models.titles import WIDTH, TrackNameEncoder, forget_words
from albumlib.runtime.rng import Rng

CHOICES = 100  # titles among which the right one is to be found
DIRECTIONS = 64  # numbers in which covers and titles are compared


class TitleMatcher(nn.Module):
    """Covers (B, 3, S, S) in [-1, 1] and titles' tokens (B, TOKENS) to unit vectors (B, 64)."""

    def __init__(self, words: int):
        super().__init__()
        self.cover_encoder = LabelRegressor(labels=DIRECTIONS)
        self.title_encoder = TrackNameEncoder(words)
        self.projection = nn.Sequential(
            nn.Linear(WIDTH, 128), nn.ReLU(), nn.Linear(128, DIRECTIONS)
        )
        self.sharpness = nn.Parameter(torch.tensor(math.log(10.0)))  # the logarithm, as in CLIP

    def embed_covers(self, covers: Tensor) -> Tensor:
        return F.normalize(self.cover_encoder.standardised(covers), dim=1)

    def embed_titles(self, titles: Tensor) -> Tensor:
        return F.normalize(self.projection(self.title_encoder(titles)), dim=1)


def train_matcher(
    pixels: np.ndarray, titles: np.ndarray, words: int, *, epochs: float = 6, seed: int = 0, **how
) -> TitleMatcher:
    """Train on real covers (N, S, S, 3) uint8 and tokens of their titles, (N, K, TOKENS): K titles
    a cover, one of which is drawn by chance each time. `words` is the vocabulary's size, and `how`
    as in `cover_network.fit`."""
    torch.manual_seed(seed)
    rng, tokens = Rng(seed), torch.from_numpy(titles)

    def loss(matcher: TitleMatcher, covers: Tensor, rows: Tensor) -> Tensor:
        ones = rng.randint(tokens.shape[1], len(rows))
        return _contrast(matcher, covers, forget_words(tokens[rows, ones], 0.1, rng))

    settings = {"epochs": epochs, "batch_size": 128, "rate": 3e-3, "seed": seed}
    return fit(TitleMatcher(words), pixels, loss, **settings | how)


def load_matcher(path: str | Path) -> tuple[TitleMatcher, tuple[str, ...]]:
    """The matcher in a file, and its vocabulary. Raises TrainingError if there is none."""
    tensors, about = read_tensors(Path(path))
    matcher = TitleMatcher(len(about["words"]))
    matcher.load_state_dict(tensors)
    return frozen(matcher), tuple(about["words"])


def _contrast(matcher: TitleMatcher, covers: Tensor, titles: Tensor) -> Tensor:
    """Each cover is to find its title among the batch's, and each title its cover."""
    scores = (
        matcher.sharpness.exp().clamp_max(100)
        * matcher.embed_covers(covers)
        @ matcher.embed_titles(titles).T
    )
    right = torch.arange(len(scores))
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def retrieval_ranks(
    matcher: TitleMatcher, pixels: np.ndarray, titles: np.ndarray, choices: int = CHOICES
) -> np.ndarray:
    """For each cover (n, S, S, 3), how many of `choices` titles seem to fit better than its own.

    `titles` (n, TOKENS) are the covers' own; the others are drawn from the same rows. 0 is a
    right guess; a title that ties with the right one, such as the same words, counts half.
    """
    with torch.no_grad():
        seen = torch.from_numpy(apply(matcher.embed_covers, pixels))
        named = matcher.embed_titles(torch.from_numpy(titles))
    rng, count = np.random.default_rng(0), len(pixels)
    steps = [rng.choice(count - 1, choices - 1, replace=False) for _ in range(count)]
    others = (np.arange(count)[:, None] + 1 + np.stack(steps)) % count
    scores = torch.einsum("nd,nkd->nk", seen, named[others])
    own = (seen * named).sum(1, keepdim=True)
    return ((scores > own + 1e-6).sum(1) + 0.5 * ((scores - own).abs() <= 1e-6).sum(1)).numpy()


def accuracy(ranks: np.ndarray, within: int = 1) -> float:
    """Proportion of covers whose title is among the `within` best; a tie is shared."""
    return float(np.clip(within - ranks, 0, 1).mean())
