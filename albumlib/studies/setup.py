"""What the builds of a comparison share: covers to learn, covers to be compared with, instruments.

Everything is done in small, at 32 px and with narrow networks, so that many runs are affordable:
the differences count, not the levels. What is measured is of `evaluation.scorecard`: covers are
generated for the labels of one part of the held-out covers and compared with another part, and
each number has its reference, real against real, with its spread over partings. Labels are
predicted by an independent regressor, which is of 64 px and sees the covers enlarged.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from torch.nn import functional as F

from albumlib.dataset.batches import Batches
from albumlib.dataset.coverset import CoverSet
from albumlib.evaluation import label_recovery, metrics, scorecard
from albumlib.evaluation.cover_network import in_parts
from albumlib.evaluation.extractor import SIDE, extract, load_extractor
from albumlib.evaluation.label_recovery import LabelRegressor
from albumlib.evaluation.scorecard import Bench, Measure, Sample
from albumlib.evaluation.spectrum import grain, radial_spectrum
from albumlib.models.networks import to_pixels
from albumlib.training.config import TrainingConfig

SIZE = 32  # pixels a side of the covers that are learned
NARROW = {"size": SIZE, "generator_width": 8, "critic_width": 16}
COUNT = 1000  # covers that are generated and compared, and as many that they are compared with
DRAWS = 10  # partings for a reference
LEAST = 2 * (metrics.NEIGHBOURS + 1)  # covers that can be parted and compared at all


def _control(sample: Sample, _: Sample) -> dict[str, float]:
    found = label_recovery.shuffled_recovery(sample.seen["labels"], sample.asked)
    correlation, r2 = found.mean(sample.shown)
    return {"label_r2_shuffled": r2, "label_correlation_shuffled": correlation}


def _patches(sample: Sample, real: Sample) -> dict[str, float]:
    return {"swd": metrics.sliced_wasserstein(real.pixels, sample.pixels, directions=64)}


USED = ("own", "spectrum", "labels")  # instruments, of those of the scorecard
MEASURES = (
    *(replace(m, draws=DRAWS) for m in scorecard.MEASURES if m.needs in USED),
    Measure("labels", _control, DRAWS, alone=True),
    Measure("pixels", _patches, DRAWS),
)


@dataclass(frozen=True)
class Setup:
    """Covers to learn, held-out ones to be compared with, and the regressor of their labels."""

    train: np.ndarray  # (N, S, S, 3) uint8
    labels: np.ndarray  # (N, L)
    heldout: np.ndarray  # (M, S, S, 3)
    known: np.ndarray  # (M, L): the labels of the held-out covers
    regressor: LabelRegressor | None  # none where nothing is conditioned on labels
    regressor_side: int = SIZE  # pixels of the covers that the regressor was trained on
    most: int = COUNT

    @classmethod
    def of(
        cls,
        coverset: CoverSet,
        regressor: LabelRegressor | None = None,
        *,
        conditional: bool = True,
        split: str = "test",
        most: int = COUNT,
    ) -> "Setup":
        """The setup of a cover set of 32 px or more, to be compared with covers of a split.

        Without a `regressor`, the pretrained one, which knows covers of the built-in imprint; none
        at all if the builds are not `conditional`. A set whose split has too few covers to be
        parted is compared with all that no model learns from, or with all that there are; it has
        wide spreads.
        """
        splits = (coverset.rows(split), coverset.rows("heldout"), np.arange(len(coverset)))
        held = next((r for r in splits if len(r) >= scorecard.LEAST), splits[-1])
        rows = coverset.rows("train")
        small = [shrink(coverset.images[some]) for some in (rows, held)]
        known = [coverset.labels[some] for some in (rows, held)]
        side = SIZE if regressor else SIDE
        if conditional and regressor is None:
            regressor = label_recovery.load_label_regressor()
        return cls(small[0], known[0], small[1], known[1], regressor, side, most)

    def batches(self, config: TrainingConfig) -> Batches:
        labels = self.labels if config.labels else None
        rows = np.arange(len(self.train))
        return Batches(self.train, labels, rows, config.batch_size, config.seed)

    @cached_property
    def bench(self) -> Bench:
        """The held-out covers, parted: those whose labels are asked for, and those compared with.
        Raises MetricsError if there are too few."""
        instruments: dict[str, Callable] = {
            "own": partial(extract, load_extractor()),
            "spectrum": radial_spectrum,
            "grain": grain,
        }
        if self.regressor is not None and np.isfinite(self.known).any():
            instruments["labels"] = self.predicted
        return Bench.of(
            self.heldout, self.known, instruments, most=self.most, measures=MEASURES, least=LEAST
        )

    def predicted(self, pixels: np.ndarray) -> np.ndarray:
        """The labels (n, L) that the regressor predicts for covers (n, S, S, 3)."""
        large = enlarge(pixels, self.regressor_side)
        return label_recovery.predict_labels(self.regressor, large)

    @property
    def asked(self) -> np.ndarray:
        """The labels (n, L) that covers are generated for, to be measured."""
        return self.bench.asked.asked

    def numbers(self, pixels: np.ndarray) -> dict[str, float]:
        """All that is measured of covers (n, S, S, 3) that were generated for `asked`."""
        return self.bench.numbers(self.bench.sample(pixels))

    def references(self) -> dict[str, float]:
        """What real covers get in the place of generated ones: NAME, and NAME_spread."""
        found: dict[str, float] = {"n": len(self.asked)}
        for name, (mean, spread) in self.bench.references.items():
            found |= {name: mean, f"{name}_spread": spread}
        return found


def shrink(pixels: np.ndarray, side: int = SIZE) -> np.ndarray:
    """Covers (N, S, S, 3) uint8 at `side` px, each pixel the mean of those that it replaces."""
    parts = in_parts(pixels, 1024)
    return np.concatenate([to_pixels(F.adaptive_avg_pool2d(part, side)) for part in parts])


def enlarge(pixels: np.ndarray, side: int) -> np.ndarray:
    """Covers (N, S, S, 3) uint8 at `side` px, bicubic."""
    if pixels.shape[1] == side:
        return pixels
    parts = in_parts(pixels, 1024)
    return np.concatenate([to_pixels(F.interpolate(part, side, mode="bicubic")) for part in parts])
