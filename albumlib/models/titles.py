"""Track names as numbers, and a small encoder of them, which is trained by regression to predict
the labels of a title, then along with a model.

A title is read twice: as characters, which serve any script and any word that was never seen, and
as words of a vocabulary, which carry more as long as they are known. Both kinds of token stand in
one row of TOKENS numbers, 0 where there is none, so that titles travel beside the labels.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from albumlib.dataset.statistics import normalised, split_words
from albumlib.models.losses import label_error
from albumlib.runtime.rng import Rng

CHARACTERS, WORDS = 32, 6  # of a title that are looked at
TOKENS = CHARACTERS + WORDS
BUCKETS = 512  # all of Unicode, folded: two rare characters may share a number
UNKNOWN = 1  # the word that is not in the vocabulary; 0 is no word at all
WIDTH = 64  # numbers that an encoded title has
ENCODERS = ("characters", "words", "both")

EPOCHS, TITLES, RATE = 15, 256, 3e-3  # of the regression: passes, titles a step, Adam's rate


def vocabulary(titles: Iterable[str], least: int = 3, most: int = 5000) -> tuple[str, ...]:
    """The words that occur in at least `least` of the titles, the most frequent ones first."""
    counts = Counter(word for title in titles for word in set(split_words(title)))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(word for word, count in ranked[:most] if count >= least)


def extended(known: Sequence[str], words: Iterable[str]) -> tuple[str, ...]:
    """A model's vocabulary with more words behind it: those that it knows keep their numbers.

    >>> extended(["moon", "sun"], ["fire", "sun"])
    ('moon', 'sun', 'fire')
    """
    return tuple(dict.fromkeys([*known, *words]))


def renumbered(rows: np.ndarray, words: Sequence[str], now: Sequence[str]) -> np.ndarray:
    """Rows (N, C) that end with TOKENS of the vocabulary `words`, with those of the vocabulary
    `now`, which holds all of them."""
    numbers = {word: UNKNOWN + 1 + number for number, word in enumerate(now)}
    table = np.array([0, UNKNOWN, *(numbers[word] for word in words)], rows.dtype)
    return np.concatenate([rows[:, :-WORDS], table[rows[:, -WORDS:].astype(int)]], axis=1)


def with_words(state: dict[str, Tensor], words: Sequence[str]) -> dict[str, Tensor]:
    """A network's state with embeddings (n, D) for all `words` of a vocabulary that was extended:
    a new word begins as the unknown one, as which it was read until now."""
    name = "titles.words.weight"
    if name not in state:
        return state
    more = len(words) + UNKNOWN + 1 - len(state[name])
    return state | {name: torch.cat([state[name], state[name][UNKNOWN].expand(more, -1)])}


def tokens(titles: Sequence[str], words: Sequence[str]) -> np.ndarray:
    """Titles as rows (n, TOKENS) of float32 whole numbers: characters, then words. Any string
    will do; an empty one gives a row of zeros, and so does None.

    >>> letters, words = np.split(tokens(["A Quiet Cedar"], ["cedar", "hush"])[0], [CHARACTERS])
    >>> words[:4].tolist()  # two unknown ones, the first word of the vocabulary, and no more
    [1.0, 1.0, 2.0, 0.0]
    """
    numbers = {word: UNKNOWN + 1 + number for number, word in enumerate(words)}
    found = np.zeros((len(titles), TOKENS), dtype=np.float32)
    for row, title in zip(found, titles, strict=True):
        clean = normalised(title)
        letters = [1 + _bucket(letter) for letter in clean[:CHARACTERS]]
        known = [numbers.get(word, UNKNOWN) for word in split_words(clean)[:WORDS]]
        row[: len(letters)], row[CHARACTERS : CHARACTERS + len(known)] = letters, known
    return found


def _bucket(letter: str) -> int:
    """A number below BUCKETS for a character: itself in Latin scripts, a hash elsewhere."""
    code, half = ord(letter), BUCKETS // 2
    return code if code < half else half + zlib.crc32(letter.encode("utf-8")) % half


def forget_words(titles: Tensor, proportion: float, rng: Rng) -> Tensor:
    """The same tokens with some words made unknown, so that the unknown word is learned too, and
    the characters have to be read as well."""
    dropped = rng.rand(*titles.shape).to(titles.device) < proportion
    dropped[:, :CHARACTERS] = False
    return torch.where(dropped & (titles > UNKNOWN), float(UNKNOWN), titles)


def titles_to_labels(
    encoder: "TrackNameEncoder", titles: Tensor, wanted: Tensor, forgotten: float, seed: int = 0
) -> None:
    """Train an encoder to predict which labels a title leads to expect (`guess`), by regression.

    `titles` (N, TOKENS) and standardised labels `wanted` (N, L), missing ones NaN; a proportion
    of the words is `forgotten`, as in training.
    """
    rng, adam = Rng(seed), torch.optim.Adam(encoder.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for some in torch.randperm(len(titles), generator=rng.generator).split(TITLES):
            guess = encoder.guess(encoder(forget_words(titles[some], forgotten, rng)))
            known = wanted[some].isfinite()
            adam.zero_grad(set_to_none=True)
            label_error(guess, wanted[some].nan_to_num(), known).backward()
            adam.step()


class TrackNameEncoder(nn.Module):
    """Tokens (B, TOKENS) to (B, WIDTH) numbers in (-1, 1); all 0 for an empty title.

    Characters pass a convolution over neighbours of five and the strongest response counts
    (Kim 2014, arXiv 1408.5882; Zhang et al. 2015, arXiv 1509.01626); words are averaged
    (fastText, arXiv 1607.01759). `reads` is one of ENCODERS. `guess` says what labels a title
    leads to expect, in standardised units, where they are missing.
    """

    def __init__(self, words: int, reads: str = "both", labels: int = 0):
        super().__init__()
        if reads not in ENCODERS:
            raise ValueError(f"reads must be one of {', '.join(ENCODERS)}, got {reads!r}")
        self.reads = reads
        self.letters = nn.Embedding(BUCKETS + 1, 24, padding_idx=0)
        self.neighbours = nn.Conv1d(24, WIDTH, 5, padding=2)
        self.words = nn.Embedding(words + UNKNOWN + 1, WIDTH, padding_idx=0)
        self.both = nn.Linear(2 * WIDTH, WIDTH)
        # Without a bias, so that an empty title leads to expect the mean.
        self.guess = nn.Linear(WIDTH, labels, bias=False) if labels else None

    def forward(self, titles: Tensor) -> Tensor:
        letters, words = titles.long().split([CHARACTERS, WORDS], dim=1)
        there = (titles > 0).any(1, keepdim=True)
        parts = [self._characters(letters), self._words(words)]
        return torch.tanh(self.both(torch.cat(parts, dim=1))) * there

    def _characters(self, letters: Tensor) -> Tensor:
        if self.reads == "words":
            return letters.new_zeros(len(letters), WIDTH, dtype=self.both.weight.dtype)
        responses = F.leaky_relu(self.neighbours(self.letters(letters).transpose(1, 2)), 0.2)
        return responses.masked_fill((letters == 0)[:, None], 0).amax(2)  # (B, WIDTH)

    def _words(self, words: Tensor) -> Tensor:
        if self.reads == "characters":
            return words.new_zeros(len(words), WIDTH, dtype=self.both.weight.dtype)
        return self.words(words).sum(1) / (words > 0).sum(1, keepdim=True).clamp_min(1)
