"""One flat configuration for everything that shapes a training run; it refuses unknown names."""

from __future__ import annotations

from dataclasses import dataclass, fields

from albumlib.models.checkpoint import TrainingError
from albumlib.models.conditions import EXTRAS
from albumlib.models.networks import SIZES
from albumlib.models.quantum import PRIORS, QUBITS
from albumlib.models.titles import ENCODERS
from albumlib.runtime.names import renamed

CRITIC_LOSSES = ("wgan-gp", "wgan-clip", "rpgan")
LATENT_METHODS = ("off", "gd", "ngd")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that shapes a run. Unknown names and wrong types are errors."""

    size: int = 64  # pixels a side: 32, 64, 128 or 256
    labels: bool = False  # condition on the ten features
    extras: str = ""  # labels beyond the ten, of "year" and "text", joined by commas
    titles: str = ""  # condition on titles, read as "characters", "words" or "both"
    steps: int = 2000  # generator updates
    batch_size: int = 16  # covers per update
    seed: int = 2021
    # Networks
    latent: int = 64  # numbers in a latent vector, uniform in [-1, 1]
    generator_width: int = 16  # channels at the finest resolution, doubling inwards
    critic_width: int = 32
    minibatch_stddev: int = 0  # covers a group whose spread the critic is told; 0 for not at all
    projection: bool = True  # the critic's score also weighs how well picture and labels agree
    prior: str = ""  # "quantum" or "mlp": what some of the latents pass first
    qubits: int = 6  # of the prior
    prior_layers: int = 3
    freeze_critic: int = 0  # early layers of the critic that stay as they are (FreezeD)
    freeze_generator: bool = False  # all but the prior stays as it is
    # Losses
    critic_loss: str = (
        "rpgan"  # "wgan-gp", "wgan-clip" or "rpgan" (relativistic pairs with R1 + R2)
    )
    critic_steps: int = 1  # critic updates per generator update
    penalty: float = 1.0  # weight of the gradient penalty (10 is usual for wgan-gp)
    penalty_every: int = 8  # lazy regularisation: every so many critic updates, times as much
    clip: float = 0.01  # bound of the critic's weights, for wgan-clip only
    auxiliary_weight: float = 3.0  # critic learns to read labels from real covers (ACGAN)
    generator_auxiliary_weight: float = 3.0  # generator is held to the labels that the critic reads
    label_noise: float = 0.05  # smoothing of the labels, in standard deviations (CcGAN)
    label_dropout: float = 0.0  # share of rows whose features, each extra, title are left out
    word_dropout: float = 0.1  # share of a title's words that are made unknown
    augment: str = ""  # of "shift", "flip", "color", "cutout", joined by commas: for small sets
    # LOGAN
    latent_method: str = "ngd"  # "off", "gd" or "ngd" (natural gradient)
    latent_rate: float = 0.9
    latent_damping: float = 0.1
    latent_steps: int = 1
    latent_fraction: float = 0.8  # share of the latents that a step moves
    latent_weight: float = 0.1  # cost of the step in both losses
    latent_through: bool = True  # gradients pass through the step (the paper), or not
    latent_every: int = 4  # only every so many updates: it costs three times a plain one
    # Optimisers: Adam with two time scales
    generator_rate: float = 5e-4
    critic_rate: float = 5e-4
    beta1: float = 0.0
    beta2: float = 0.99
    ema_halflife: int = 4000  # covers after which old weights count half in the average
    # "bfloat16": convolutions in half the bits, where the device computes them faster; steps that
    # move latents stay in "float32"
    precision: str = "float32"
    # By torch, for GPUs; penalties and latent steps, which are differentiated twice, are not.
    compile: bool = False
    # Bookkeeping
    log_every: int = 50
    sample_every: int = 500
    save_every: int = 500
    max_minutes: float = 0.0  # stop after so long; 0 for no limit

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _typed(field, getattr(self, field.name)))
        _choice("size", self.size, SIZES)
        _choice("critic_loss", self.critic_loss, CRITIC_LOSSES)
        _choice("latent_method", self.latent_method, LATENT_METHODS)
        _choice("precision", self.precision, PRECISIONS)
        _choice("titles", self.titles, ("", *ENCODERS))
        _choice("prior", self.prior, ("", *PRIORS))
        for name in self.extra_names:
            _choice("extras", name, tuple(EXTRAS))
        if self.minibatch_stddev and self.batch_size % self.minibatch_stddev:
            raise TrainingError(
                f"batch_size {self.batch_size} is no multiple of minibatch_stddev, "
                f"{self.minibatch_stddev}"
            )
        if self.prior and (self.qubits not in QUBITS or self.qubits > self.latent):
            raise TrainingError(
                f"qubits are from {QUBITS[0]} to {QUBITS[-1]} and no more than latents, got "
                f"{self.qubits}"
            )
        if self.freeze_generator and not self.prior:
            raise TrainingError("freeze_generator leaves nothing to train: set prior as well")
        if self.extras and not self.labels:
            raise TrainingError("extras come on top of the ten features: set labels=true")
        for name in ("steps", "batch_size", "latent", "critic_steps", "penalty_every",
                     "latent_steps", "latent_every", "log_every", "sample_every",
                     "save_every"):  # fmt: skip
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def extra_names(self) -> tuple[str, ...]:
        return tuple(filter(None, self.extras.split(",")))

    @property
    def conditional(self) -> bool:
        return self.labels or bool(self.titles)

    @property
    def conditions(self) -> dict:
        """What `conditions.of_covers` is to take from a cover set."""
        return {"labels": self.labels, "extras": self.extra_names, "titles": bool(self.titles)}

    @classmethod
    def from_dict(cls, values: dict) -> TrainingConfig:
        """A configuration from names and values; TrainingError names the first unknown one."""
        values = renamed(values, warn=True)
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise TrainingError(f"unknown setting {unknown[0]!r}; known are {', '.join(known)}")
        return cls(**values)


def _typed(field, value):
    """The value, if it has the field's type; an int will do for a float."""
    wanted = {"int": int, "float": float, "str": str, "bool": bool}[field.type]
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise TrainingError(f"{field.name} must be {field.type}, got {value!r}")
    return value


def _choice(name: str, value, allowed: tuple) -> None:
    if value not in allowed:
        listed = ", ".join(map(str, allowed))
        raise TrainingError(f"{name} must be one of {listed}, got {value!r}")


# A Wasserstein critic must be ahead of the generator, or its score gap means nothing: at equal
# rates the gap turned negative within 200 steps, and the covers were three times as far from real
# ones as with the critic's rate three times the generator's.
_WGAN_LOGAN = {
    "critic_loss": "wgan-gp",
    "penalty": 10.0,
    "penalty_every": 1,
    "critic_rate": 1e-3,
    "generator_rate": 3e-4,
}

# The builds of the course: what each changes from the defaults above.
RECIPES: dict[str, dict] = {
    # Notebook 04: Wasserstein loss with gradient penalty, and LOGAN's natural-gradient step.
    "wgan_logan": _WGAN_LOGAN,
    # Notebook 05, the build of the course's name: the same with labels and the auxiliary head.
    # The critic's score has no bounds, so the label errors need weight to be heard beside it.
    "acgan_wgan_logan": {
        **_WGAN_LOGAN,
        "labels": True,
        "auxiliary_weight": 10.0,
        "generator_auxiliary_weight": 10.0,
    },
    # Notebook 05, recommended: pairs of real and fake under one label, no latent step.
    "acgan": {"labels": True, "latent_method": "off"},
    # A few thousand covers and no labels. For long trainings, in which the critic would learn them
    # by heart; in the first minutes covers come nearer without the augmentation.
    "small_set": {"latent_method": "off", "augment": "shift,color"},
    # Notebook 09: few covers for a trained model; see styles.py. Freezing the critic's early layers
    # (freeze_critic) and lower rates made no difference (data/measured/styles_recipe.csv).
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
    those at the picture keep their shapes, so that a small model can grow (`train --from`)."""
    share = max(1, size // TrainingConfig.size)
    return {
        name: max(1, getattr(TrainingConfig, name) // share)
        for name in ("generator_width", "critic_width")
    }


def recipe(name: str, **changes) -> TrainingConfig:
    """The configuration of a build of the course, with changes. TrainingError if unknown.

    >>> recipe("acgan", steps=500).critic_loss
    'rpgan'
    >>> recipe("acgan", setps=500)  # doctest: +IGNORE_EXCEPTION_DETAIL, +ELLIPSIS
    Traceback (most recent call last):
    albumlib.models.checkpoint.TrainingError: unknown setting 'setps'; known are ...
    """
    if name not in RECIPES:
        raise TrainingError(f"unknown recipe {name!r}; known are {', '.join(RECIPES)}")
    return TrainingConfig.from_dict(RECIPES[name] | changes)
