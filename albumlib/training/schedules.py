"""What changes in the course of a training, all in one place: learning rates, the weight of the
penalty, Adam's beta2, the half-life of the averaged weights.

Each keeps its first value for a burn-in, then goes to its last by half a cosine, as R3GAN's do
(Huang et al. 2024, arXiv 2501.05441): early, large steps and a strong penalty find the covers'
rough distribution; late, small ones bring the details.
"""

import math
from dataclasses import dataclass

from albumlib.training.config import TrainingConfig


@dataclass(frozen=True)
class Scheduled:
    """Settings as they are at one moment of a training; units as in TrainingConfig."""

    generator_rate: float
    critic_rate: float
    penalty: float
    beta2: float
    ema_halflife: float


def scheduled(config: TrainingConfig, seen: int) -> Scheduled:
    """The settings after `seen` covers. They follow from it alone, so that a run resumes exactly.

    >>> config = TrainingConfig(penalty=2.0, final_penalty=0.1, schedule=1000)
    >>> [round(scheduled(config, seen).penalty, 2) for seen in (0, 500, 1000, 5000)]
    [2.0, 1.1, 0.2, 0.2]
    """
    length = max(1, config.schedule - config.burn_in)
    done = min(max(0, seen - config.burn_in), length) if config.schedule else 0
    way = (1 - math.cos(math.pi * done / length)) / 2  # from 0 to 1

    def between(first: float, last: float) -> float:
        return first + way * (last - first)

    return Scheduled(
        generator_rate=config.generator_rate * between(1, config.final_rate),
        critic_rate=config.critic_rate * between(1, config.final_rate),
        penalty=config.penalty * between(1, config.final_penalty),
        beta2=between(config.beta2, config.final_beta2),
        ema_halflife=between(config.ema_halflife, config.final_ema_halflife),
    )
