"""What a training begins with beyond fresh weights: other networks, titles read beforehand."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from albumlib.models.checkpoint import TrainingError, read_networks
from albumlib.models.progressive import deepened, grown
from albumlib.models.titles import titles_to_labels
from albumlib.training.trainer import Trainer


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
    smaller (ProGAN's growing, arXiv 1710.10196, without the fading in). TrainingError if it
    cannot be."""
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
