"""What a training begins with beyond fresh weights: other networks, titles read beforehand.

Of networks that were trained all is taken over that they and the new ones have in common. For
larger covers they get deeper at the finest resolution (ProGAN's growing, arXiv 1710.10196, without
the fading in); for more labels they get wider where conditions enter.
"""

from pathlib import Path

import torch
from torch import Tensor

from albumlib.models.checkpoint import TrainingError, read_networks
from albumlib.models.titles import titles_to_labels
from albumlib.training.trainer import Trainer

# Where conditions go in or predicted labels come out, and the vocabulary
CONDITIONED = (
    "stem.weight", "film.weight", "projection.weight", "auxiliary.", "scale.", "titles.words.",
)  # fmt: skip


def read_titles(trainer: Trainer, rows: Tensor) -> None:
    """Train the encoders on what the titles among training rows (N, C) lead to expect, before
    the first step: what regression finds in seconds, the two networks alone had found for
    one title in seven after 25 minutes."""
    encoder = trainer.generator.titles
    if encoder is None or encoder.guess is None:
        return
    labels, titles = rows.to(trainer.device).tensor_split([trainer.generator.labels], dim=1)
    wanted = trainer.generator.scale(labels).where(labels.isfinite(), torch.nan)
    titles_to_labels(encoder, titles, wanted, trainer.config.word_dropout, trainer.config.seed)
    with torch.no_grad():
        for weight in encoder.parameters():  # processes may differ in the last bits
            weight.copy_(trainer.distributed.mean(weight))
    for network in (trainer.ema, trainer.critic):
        network.titles.load_state_dict(encoder.state_dict())


def begin_from(trainer: Trainer, path: str | Path) -> None:
    """Take the networks of another run. What is new in this one begins afresh: a prior, the
    weights of labels that the other did not have, or the finest layers if its covers were
    smaller. TrainingError if it cannot be."""
    generator, critic, about = read_networks(path)
    doublings = (trainer.config.size // about["size"]).bit_length() - 1
    if doublings > 0:
        generator, critic = deepened(generator, critic, doublings)
    pairs = [(trainer.generator, generator), (trainer.ema, generator), (trainer.critic, critic)]
    for network, state in pairs:
        try:
            network.load_state_dict(grown(network.state_dict(), state))
        except (KeyError, ValueError, RuntimeError) as error:
            raise TrainingError(
                f"{path} holds networks of another shape than this configuration asks for; "
                "set latent, labels and the widths as that run had them, and half the widths "
                "for twice the size"
            ) from error
        if "learned" in about:
            network.scale.widen(about["learned"])


def deepened(
    generator: dict[str, Tensor], critic: dict[str, Tensor], doublings: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What is known of networks for covers of 2**doublings times the side: all but the layers
    at the picture. The generator's blocks count from the coarsest, the critic's from the finest."""

    def place(name: str) -> str:
        _, number, rest = name.split(".", 2)
        return f"blocks.{int(number) + doublings}.{rest}"

    coarse = {name: weight for name, weight in generator.items() if "to_rgb" not in name}
    later = {
        place(name) if name.startswith("blocks.") else name: weight
        for name, weight in critic.items()
        if not name.startswith("blocks.0.")
    }
    return coarse, later


def grown(fresh: dict[str, Tensor], known: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network's fresh state with all that is known of it written over: where labels go in, over
    the corner that the other network's fewer labels fill. Raises KeyError or RuntimeError if the
    two differ in anything else."""
    state = {name: weight.clone() for name, weight in fresh.items()}
    for name, weight in known.items():
        wider = any(part in name for part in CONDITIONED)
        corner = tuple(slice(side) for side in weight.shape) if wider else ...
        state[name][corner] = weight
    return state
