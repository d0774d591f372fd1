"""What a new network takes over from one that was trained: all that the two have in common.

For larger covers it gets deeper at the finest resolution (ProGAN's growing, arXiv 1710.10196,
without the fading in); for more labels it gets wider where conditions enter.
"""

from __future__ import annotations

from torch import Tensor

# Where conditions go in or predicted labels come out, and the vocabulary
CONDITIONED = (
    "stem.weight", "film.weight", "projection.weight", "auxiliary.", "scale.", "titles.words.",
)  # fmt: skip


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
