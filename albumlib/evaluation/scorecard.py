"""Everything that is measured of a model, each number beside what real covers get.

The covers of the test split are parted by chance. Covers are generated for the labels of one part
and compared with the other part. The reference of a number is what the first part's own covers get
in the place of the generated ones: the mean over several partings, with its spread. Where the
covers are the built-in imprint's there is a second reference, the perfect generator.

A measure is a function of two samples. What is computed once for each cover (features, spectra,
probabilities) stands in `Sample.seen`, so that another parting costs little.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from albumlib.evaluation import layouts, metrics, two_sample
from albumlib.evaluation.label_recovery import label_recovery
from albumlib.evaluation.spectrum import edge_energy
from albumlib.runtime.progress import Progress, silent

ENOUGH = 1000  # covers on each side, from which distances are worth quoting
LEAST = 40  # test covers
Instrument = Callable[[np.ndarray], np.ndarray]  # covers (n, S, S, 3) uint8 to (n, ...)


@dataclass(frozen=True)
class Sample:
    """n covers, and what instruments say of them: rows of `pixels` (n, S, S, 3), of the labels
    `asked` for (n, L), and of each array in `seen`. `shown` is a mask (L,) of the labels that real
    covers show at all."""

    pixels: np.ndarray
    asked: np.ndarray
    seen: Mapping[str, np.ndarray] = field(default_factory=dict)
    shown: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    def rows(self, rows: np.ndarray) -> "Sample":
        """Some of the covers."""
        seen = {name: values[rows] for name, values in self.seen.items()}
        return Sample(self.pixels[rows], self.asked[rows], seen, self.shown)

    def through(self, instruments: Mapping[str, Instrument]) -> "Sample":
        """The sample with what the instruments say of it."""
        return replace(self, seen={name: see(self.pixels) for name, see in instruments.items()})


@dataclass(frozen=True)
class Score:
    """A number, its reference (the mean over partings of real covers), and how much real covers
    of this number vary; what the perfect generator gets, if there is one."""

    value: float
    real: float
    spread: float
    perfect: float | None = None

    @property
    def away(self) -> float:
        """How many spreads the number lies from its reference."""
        return (self.value - self.real) / self.spread


# What is measured -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """One or more numbers by name of a sample beside real covers: `of(sample, real)`.

    `needs` is the instrument that it takes, `draws` the number of partings for its reference.
    `alone` says that the real covers do not enter; `spread` gives the spread for n covers where
    it is known and partings are too slow.
    """

    needs: str
    of: Callable[[Sample, Sample], Mapping[str, float]]
    draws: int = 20
    alone: bool = False
    spread: Callable[[int], float] | None = None


def _labels(sample: Sample, _: Sample) -> dict[str, float]:
    found = label_recovery(sample.seen["labels"], sample.asked)
    correlation, r2 = found.mean(sample.shown)
    return {"label_r2": r2, "label_correlation": correlation}


def _balance(sample: Sample, real: Sample) -> dict[str, float]:
    both = sample.seen["layouts"], real.seen["layouts"]
    return {"layout_balance": layouts.imbalance(*both), "layout_rarest": layouts.rarest(*both)}


def _sharpness(sample: Sample, real: Sample) -> dict[str, float]:
    size = sample.pixels.shape[1]
    edges = [edge_energy(some.seen["spectrum"], size) for some in (sample, real)]
    grain = [some.seen["grain"].mean() for some in (sample, real)]
    with np.errstate(divide="ignore", invalid="ignore"):  # real covers without any grain
        return {"edge_energy": edges[0] / edges[1], "grain_energy": float(grain[0] / grain[1])}


def _proportion(instrument: str, name: str) -> Callable[[Sample, Sample], dict[str, float]]:
    return lambda sample, _: {name: float(sample.seen[instrument].mean())}


def _by_spectrum(sample: Sample, real: Sample) -> dict[str, float]:
    power = [np.log(some.seen["spectrum"] + 1e-3) for some in (sample, real)]
    return {"two_sample_spectrum": two_sample.by_features(*power)}


def _distances(instrument: str, suffix: str) -> Callable[[Sample, Sample], dict[str, float]]:
    def of(sample: Sample, real: Sample) -> dict[str, float]:
        here, there = sample.seen[instrument], real.seen[instrument]
        found = {"fd": metrics.frechet(here, there), "kid": metrics.mmd2(here, there)}
        found |= metrics.neighbours(here, there)
        return {name + suffix: value for name, value in found.items()}

    return of


MEASURES = (
    Measure("labels", _labels, alone=True),
    Measure(
        "layouts",
        lambda sample, _: {"layout_recognised": layouts.recognised(sample.seen["layouts"])},
        alone=True,
    ),
    Measure("layouts", _balance),
    Measure("text", _proportion("text", "text_read"), alone=True),
    Measure("spectrum", _sharpness),
    Measure("spectrum", _by_spectrum, draws=10),
    Measure(
        "pixels",
        lambda *both: {"two_sample_network": two_sample.by_network(*(one.pixels for one in both))},
        draws=3,
        spread=two_sample.chance_spread,
    ),
    Measure("imagenet", _distances("imagenet", "_imagenet"), draws=8),
    Measure("own", _distances("own", ""), draws=12),
    Measure("near", _proportion("near", "near_duplicates"), alone=True),
)


# Measuring ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """Real covers of the test split, through the instruments and parted: what to measure by."""

    real: Sample
    instruments: Mapping[str, Instrument]
    partings: tuple[tuple[np.ndarray, np.ndarray], ...]
    measures: tuple[Measure, ...]
    references: Mapping[str, tuple[float, float]]  # mean and spread by name

    @classmethod
    def of(
        cls,
        pixels: np.ndarray,
        labels: np.ndarray,
        instruments: Mapping[str, Instrument],
        *,
        most: int = 2000,
        measures: Sequence[Measure] = (),
        seed: int = 0,
        least: int = LEAST,
        progress: Progress = silent,
    ) -> "Bench":
        """From all covers (N, S, S, 3) and labels (N, L) of the test split: up to `most` of them
        are compared with as many. `measures` are by default all that have their
        instrument. Raises MetricsError if there are fewer covers than `least`."""
        check_enough(len(pixels), least)
        real = Sample(pixels, labels).through(instruments)
        if "labels" in instruments:
            shown = label_recovery(real.seen["labels"], labels).recoverable()
            real = replace(real, shown=shown)
        measures = tuple(m for m in (measures or MEASURES) if m.needs in ("pixels", *instruments))
        draws = max(measure.draws for measure in measures)
        partings = tuple(_parting(len(pixels), most, (seed, draw)) for draw in range(draws))
        references: dict[str, tuple[float, float]] = {}
        for done, measure in enumerate(measures, 1):
            references |= _reference(measure, real, partings)
            progress("references", done, len(measures))
        return cls(real, instruments, partings, measures, references)

    @property
    def asked(self) -> Sample:
        """The real covers whose labels covers are generated for."""
        return self.real.rows(self.partings[0][0])

    @property
    def against(self) -> Sample:
        """The real covers that they are compared with."""
        return self.real.rows(self.partings[0][1])

    def sample(self, pixels: np.ndarray) -> Sample:
        """Covers (n, S, S, 3) that were generated for the labels of `asked`, as a sample."""
        return replace(self.asked, pixels=pixels, seen={})

    def numbers(self, sample: Sample) -> dict[str, float]:
        """Every measure of a sample; the instruments are used unless it knows what they say."""
        sample = sample if sample.seen else sample.through(self.instruments)
        found = (measure.of(sample, self.against) for measure in self.measures)
        return {name: value for numbers in found for name, value in numbers.items()}

    def scores(
        self, sample: Sample, perfect: Mapping[str, float] | None = None
    ) -> dict[str, Score]:
        """`numbers` beside their references, and beside those of the `perfect` generator."""
        best = perfect or {}
        return {
            name: Score(value, *self.references[name], best.get(name))
            for name, value in self.numbers(sample).items()
        }


def check_enough(count: int, least: int = LEAST) -> None:
    """Raise MetricsError if a test split of so many covers cannot be parted and compared."""
    if count < least:
        raise metrics.MetricsError(
            f"{count} test covers are too few to measure anything by: gather more, "
            f"so that there are {least} or better {2 * ENOUGH:,}"
        )


def _parting(count: int, most: int, seed: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two parts of `count` covers, as large as each other."""
    order = np.random.default_rng(seed).permutation(count)
    size = min(most, count // 2)
    return np.sort(order[:size]), np.sort(order[size : 2 * size])


def _reference(
    measure: Measure, real: Sample, partings: tuple[tuple[np.ndarray, np.ndarray], ...]
) -> dict[str, tuple[float, float]]:
    pairs = partings[: measure.draws]
    found = [measure.of(real.rows(first), real.rows(second)) for first, second in pairs]
    n = len(partings[0][0])
    # A part of the covers varies less than fresh ones do, and the reference is not exact either.
    part = n / len(real)
    factor = np.sqrt((1 + part) / (1 - part)) if measure.alone else 1.0
    least = 1 / n if measure.alone else 1e-9  # a proportion moves by no less than one cover
    least = measure.spread(n) if measure.spread else least
    values = {name: [numbers[name] for numbers in found] for name in found[0]}
    return {
        name: (float(np.mean(some)), max(float(factor * np.std(some, ddof=1)), least))
        for name, some in values.items()
    }


def flat(scores: Mapping[str, Score]) -> dict[str, float]:
    """Scores as one flat table of numbers: NAME, NAME_real, NAME_spread, NAME_perfect."""
    found: dict[str, float] = {}
    for name, score in scores.items():
        found |= {name: score.value, f"{name}_real": score.real, f"{name}_spread": score.spread}
        if score.perfect is not None:
            found[f"{name}_perfect"] = score.perfect
    return found


def table(scores: Mapping[str, Score]) -> str:
    """Scores as lines of text, one a number."""
    best = any(score.perfect is not None for score in scores.values())
    head = f"{'':<22}{'model':>10}{'real':>10}{'spread':>10}{'away':>8}"
    lines = [head + f"{'perfect':>10}" * best]
    for name, score in scores.items():
        line = f"{name:<22}{score.value:>10.3f}{score.real:>10.3f}{score.spread:>10.4f}"
        line += f"{score.away:>8.1f}"
        lines.append(line + (f"{score.perfect:>10.3f}" if score.perfect is not None else ""))
    return "\n".join(lines)


def caution(n: int) -> str:
    """What to say of a comparison of n covers: nothing from ENOUGH on."""
    return "" if n >= ENOUGH else f"; from {ENOUGH:,} on, the numbers can be relied on"
