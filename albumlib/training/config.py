"""One flat configuration for everything that shapes a training run; it refuses unknown names and
values out of range.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import Field, dataclass, field, fields
from math import inf
from pathlib import Path

from pandas import Interval

from albumlib.models.augment import POLICIES
from albumlib.models.blocks import CRITICS
from albumlib.models.checkpoint import TrainingError, read_config
from albumlib.models.conditions import extra_columns
from albumlib.models.networks import LIMIT, SIZES
from albumlib.models.quantum import PRIORS, QUBITS
from albumlib.models.titles import ENCODERS
from albumlib.runtime import LARGEST_SEED
from albumlib.runtime.names import renamed

CRITIC_LOSSES = ("wgan-gp", "wgan-clip", "rpgan")
LATENT_METHODS = ("off", "gd", "ngd")
PRECISIONS = ("float32", "bfloat16")
EXTRA_NAMES = ("year", "text", "layout")

COUNT = Interval(1, 10**9, closed="both")
COUNT_OR_NONE = Interval(0, 10**9, closed="both")
WIDTH = Interval(1, 4096, closed="both")
POSITIVE = Interval(0, inf, closed="neither")
NOT_NEGATIVE = Interval(0, inf, closed="left")
PROBABILITY = Interval(0, 1, closed="both")
DECAY = Interval(0, 1, closed="left")


def setting(default, allowed: Interval | Collection | None = None, *, several: bool = False):
    """A field with its default and what is allowed: an interval, or a collection of values, of
    which `several` may be joined by commas."""
    return field(default=default, metadata={"allowed": allowed, "several": several})


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that shapes a run. Unknown names, wrong types and values out of range raise
    TrainingError.
    """

    # What is trained, and on what
    size: int = setting(64, SIZES)  # pixels a side
    labels: bool = False  # condition on the ten features
    extras: str = setting("", EXTRA_NAMES, several=True)  # labels beyond the ten
    titles: str = setting("", ("", *ENCODERS))  # condition on titles, encoded in this way
    # How long
    steps: int = setting(2000, COUNT)  # generator updates
    batch_size: int = setting(16, COUNT)  # covers an update
    max_minutes: float = setting(0.0, NOT_NEGATIVE)  # stop after so long; 0 for no limit
    seed: int = setting(2021, Interval(0, LARGEST_SEED, closed="both"))
    # Networks
    latent: int = setting(64, WIDTH)  # numbers in a latent vector, uniform in [-1, 1]
    generator_width: int = setting(16, WIDTH)  # channels at the finest resolution, doubling inwards
    critic_width: int = setting(32, WIDTH)  # channels at the finest resolution, doubling inwards
    generator_limit: int = setting(LIMIT, WIDTH)  # channels at most, at coarse resolutions
    # In each of the generator's blocks:
    generator_residual: bool = False  # a second convolution, whose output is added
    generator_noise: bool = False  # noise per pixel, as in StyleGAN
    critic_blocks: str = setting("strided", CRITICS)  # see networks.Critic
    projection: bool = True  # the critic's score depends on how well cover and labels agree
    minibatch_stddev: int = setting(0, COUNT_OR_NONE)  # covers in a group; 0 for no such channel
    # Adversarial loss: "rpgan" is relativistic pairing with R1 + R2
    critic_loss: str = setting("rpgan", CRITIC_LOSSES)
    critic_steps: int = setting(1, COUNT)  # critic updates per generator update
    penalty: float = setting(1.0, NOT_NEGATIVE)  # weight of the gradient penalty; wgan-gp: 10
    penalty_every: int = setting(8, COUNT)  # critic updates between penalties of so many times
    clip: float = setting(0.01, POSITIVE)  # bound of the critic's weights, for wgan-clip only
    # LOGAN: latents are moved along the critic's gradient before the covers are generated
    latent_method: str = setting("ngd", LATENT_METHODS)  # gradient descent, or the natural gradient
    latent_rate: float = setting(0.9, POSITIVE)  # size of a step
    latent_damping: float = setting(0.1, POSITIVE)  # added to the squared gradient, for ngd only
    latent_steps: int = setting(1, COUNT)
    latent_fraction: float = setting(0.8, PROBABILITY)  # of the latents, which a step moves
    latent_weight: float = setting(0.1, NOT_NEGATIVE)  # of the squared distance, in both losses
    latent_through: bool = True  # gradients pass through the step (as in the paper), or not
    latent_every: int = setting(4, COUNT)  # updates a step: it costs three times a plain update
    # Labels and titles
    auxiliary_weight: float = setting(3.0, NOT_NEGATIVE)  # of the label loss on real covers
    generator_auxiliary_weight: float = setting(3.0, NOT_NEGATIVE)  # the same on generated covers
    label_noise: float = setting(0.05, NOT_NEGATIVE)  # smoothing (CcGAN), in standard deviations
    label_dropout: float = setting(0.0, PROBABILITY)  # of leaving out the features, or an extra
    word_dropout: float = setting(0.1, PROBABILITY)  # of making a title's word unknown
    # Few covers
    augment: str = setting("", POLICIES, several=True)  # of real and generated covers alike
    freeze_critic: int = setting(0, COUNT_OR_NONE)  # early layers that are not trained (FreezeD)
    # A learned prior, which the first latents pass
    prior: str = setting("", ("", *PRIORS))
    qubits: int = setting(6, Interval(QUBITS[0], QUBITS[-1], closed="both"))  # latents that pass it
    prior_layers: int = setting(3, COUNT)
    freeze_generator: bool = False  # train nothing of the generator but the prior
    # Optimisers: Adam, with a rate for each network
    generator_rate: float = setting(5e-4, POSITIVE)
    critic_rate: float = setting(5e-4, POSITIVE)
    beta1: float = setting(0.0, DECAY)  # of the mean of the gradients, an update
    beta2: float = setting(0.99, DECAY)  # of the mean of their squares, an update
    ema_halflife: int = setting(4000, COUNT)  # covers after which weights count half in the average
    # Schedules: the first values above are kept for a burn-in, then go by half a cosine to the last
    # ones, which hold from there on (R3GAN); see schedules.py
    schedule: int = setting(0, COUNT_OR_NONE)  # covers seen when the last values hold; 0 for never
    burn_in: int = setting(0, COUNT_OR_NONE)  # covers seen when the first values begin to change
    final_rate: float = setting(0.25, POSITIVE)  # last learning rates, as a multiple of the first
    final_penalty: float = setting(0.1, NOT_NEGATIVE)  # last penalty, as a multiple of the first
    final_beta2: float = setting(0.99, DECAY)
    final_ema_halflife: int = setting(50_000, COUNT)  # covers
    # Speed. "bfloat16": convolutions in half the bits, where the device computes them faster; steps
    # that move latents stay in "float32".
    precision: str = setting("float32", PRECISIONS)
    # By torch, for GPUs; penalties and latent steps, which are differentiated twice, are not.
    compile: bool = False
    graphs: bool = False  # whole steps as CUDA graphs, in one process; see captured.py
    # Bookkeeping, in generator updates
    log_every: int = setting(50, COUNT)
    sample_every: int = setting(500, COUNT)
    save_every: int = setting(500, COUNT)

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, _typed(one, getattr(self, one.name)))
            _check_range(one, getattr(self, one.name))
        if self.minibatch_stddev and self.batch_size % self.minibatch_stddev:
            raise TrainingError(
                f"batch_size {self.batch_size} is no multiple of minibatch_stddev, "
                f"{self.minibatch_stddev}"
            )
        if self.schedule and self.burn_in > self.schedule:
            raise TrainingError(f"burn_in must be at most schedule, {self.schedule:,} covers")
        if self.prior and self.qubits > self.latent:
            raise TrainingError(f"qubits must be at most latent, {self.latent}, got {self.qubits}")
        if self.freeze_generator and not self.prior:
            raise TrainingError("freeze_generator leaves nothing to train: set prior as well")
        if self.graphs and self.schedule and self.beta2 != self.final_beta2:
            raise TrainingError("graphs keep beta2 as it is: set final_beta2 to the same")
        if self.extras and not self.labels:
            raise TrainingError("extras come on top of the ten features: set labels=true")

    @property
    def extra_names(self) -> tuple[str, ...]:
        return extra_columns(self.extras)

    @property
    def conditional(self) -> bool:
        return self.labels or bool(self.titles)

    @property
    def latent_step(self) -> dict:
        """What `losses.latent_step` takes of these settings."""
        names = ("method", "rate", "damping", "steps", "through")
        return {name: getattr(self, f"latent_{name}") for name in names}

    @property
    def conditions(self) -> dict:
        """What `conditions.of_covers` is to take from a cover set."""
        return {"labels": self.labels, "extras": self.extra_names, "titles": bool(self.titles)}

    @classmethod
    def from_dict(cls, values: dict) -> TrainingConfig:
        """A configuration from names and values; TrainingError names the first unknown one."""
        values = renamed(values, warn=True)
        known = [one.name for one in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise TrainingError(f"unknown setting {unknown[0]!r}; known are {', '.join(known)}")
        return cls(**values)


def _typed(one: Field, value):
    """The value, if it has the field's type; an int will do for a float."""
    wanted = {"int": int, "float": float, "str": str, "bool": bool}[one.type]
    if wanted is float and type(value) is int:
        value = float(value) if abs(value) < 2**63 else inf
    if type(value) is not wanted:
        raise TrainingError(f"{one.name} must be {one.type}, got {value!r}")
    return value


def _check_range(one: Field, value) -> None:
    allowed = one.metadata.get("allowed")
    if allowed is None:
        return
    several = one.metadata["several"]
    values = value.split(",") if several and value else [] if several else [value]
    wrong = [repr(item) for item in values if item not in allowed]
    if wrong:
        raise TrainingError(f"{one.name} must be {in_words(allowed, several)}, got {wrong[0]}")


def in_words(allowed: Interval | Collection, several: bool = False) -> str:
    """What may be set, as the end of a sentence.

    >>> in_words(DECAY), in_words(PROBABILITY), in_words(POSITIVE)
    ('at least 0 and below 1', 'from 0 to 1', 'above 0 and finite')
    """
    if not isinstance(allowed, Interval):
        listed = ", ".join(map(str, filter(None, allowed)))
        return f"some of {listed}, joined by commas" if several else f"one of {listed}"
    low, high = f"{allowed.left:,.16g}", f"{allowed.right:,.16g}"
    if allowed.closed == "both":
        return f"from {low} to {high}"
    lower = f"at least {low}" if allowed.closed_left else f"above {low}"
    return f"{lower} and finite" if allowed.right == inf else f"{lower} and below {high}"


# A Wasserstein critic must be ahead of the generator, or its loss estimates no distance: at equal
# rates the estimate turned negative within 200 steps, and the covers were three times as far from
# real ones as with the critic's rate three times the generator's.
_WGAN_LOGAN = {
    "critic_loss": "wgan-gp",
    "penalty": 10.0,
    "penalty_every": 1,
    "critic_rate": 1e-3,
    "generator_rate": 3e-4,
}

# The variants of the course: what each changes from the defaults above.
RECIPES: dict[str, dict] = {
    # Notebook 04: Wasserstein loss with gradient penalty, and LOGAN's natural-gradient step.
    "wgan_logan": _WGAN_LOGAN,
    # Notebook 05, the course's own: the same with labels and the auxiliary head. The critic's score
    # has no bounds, so the label errors need a large weight to count beside it.
    "acgan_wgan_logan": {
        **_WGAN_LOGAN,
        "labels": True,
        "auxiliary_weight": 10.0,
        "generator_auxiliary_weight": 10.0,
    },
    # Notebook 05, recommended: pairs of real and generated covers under one label, no latent step.
    "acgan": {"labels": True, "latent_method": "off"},
    # The same at length, for covers of the built-in imprint: half the bits, layouts as a condition,
    # and R3GAN's changes in the course of a training. 200,000 covers, about 75 minutes of one core
    # that computes in bfloat16.
    "acgan_long": {
        "labels": True,
        "extras": "layout",
        "latent_method": "off",
        "generator_residual": True,
        "generator_noise": True,
        "minibatch_stddev": 4,
        "steps": 12_500,
        "penalty_every": 4,
        "precision": "bfloat16",
        # The error is a mean over labels, of which most are families of layouts.
        "auxiliary_weight": 6.0,
        "generator_auxiliary_weight": 6.0,
        "schedule": 190_000,
        "burn_in": 40_000,
        "final_rate": 0.15,
        "final_penalty": 0.2,
        "final_ema_halflife": 20_000,
    },
    # A few thousand covers and no labels. For long trainings, in which the critic would memorise
    # them; in the first minutes covers come nearer without the augmentation.
    "small_set": {"latent_method": "off", "augment": "shift,color"},
    # Notebook 09: few covers for a trained model; see studies/finetuning.py. Freezing the critic's
    # first block made no difference; a style of colours is learned better without "color"
    # (data/measured/styles_recipe.csv).
    "style": {
        "latent_method": "off",
        "steps": 1000,
        "batch_size": 8,
        "generator_rate": 4e-4,
        "critic_rate": 4e-4,
        "augment": "shift,color",
        "ema_halflife": 1000,
        "penalty_every": 4,
    },
}


def widths(size: int) -> dict[str, int]:
    """Half the width for twice the size: the time a step takes hardly doubles, and all layers but
    those at the finest resolution keep their shapes, so that a small model can grow
    (`train --from`)."""
    share = max(1, size // TrainingConfig.size)
    return {
        name: max(1, getattr(TrainingConfig, name) // share)
        for name in ("generator_width", "critic_width")
    }


# Settings of the networks, which a training that begins with another's has to share with it
NETWORKS = {
    "size", "labels", "extras", "titles", "latent", "generator_width", "critic_width",
    "generator_limit", "generator_residual", "generator_noise", "critic_blocks", "projection",
    "minibatch_stddev", "prior", "qubits", "prior_layers",
}  # fmt: skip


def recipe(name: str, *, start: str | Path | None = None, **changes) -> TrainingConfig:
    """The configuration of a variant of the course, with changes. With `start`, a trained model
    to begin with, the networks are as they are there. TrainingError if unknown.

    >>> recipe("acgan", steps=500).critic_loss
    'rpgan'
    >>> recipe("acgan", setps=500)  # doctest: +IGNORE_EXCEPTION_DETAIL, +ELLIPSIS
    Traceback (most recent call last):
    albumlib.models.checkpoint.TrainingError: unknown setting 'setps'; known are ...
    """
    if name not in RECIPES:
        raise TrainingError(f"unknown recipe {name!r}; known are {', '.join(RECIPES)}")
    known = renamed(read_config(start)) if start else {}
    shared = {setting: value for setting, value in known.items() if setting in NETWORKS}
    return TrainingConfig.from_dict(RECIPES[name] | shared | changes)
