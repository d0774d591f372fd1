"""Checkpoints: tensors in a safetensors file, everything else as JSON in its header. No pickle."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from albumlib import AlbumlibError
from albumlib.models.networks import Critic, Generator
from albumlib.models.quantum import prior_shape
from albumlib.runtime.names import today


class TrainingError(AlbumlibError):
    """Settings, data or a checkpoint that do not fit; the message says what to change."""


def write_tensors(path: Path, tensors: dict[str, Tensor], about: dict) -> None:
    """Write tensors and a JSON-able `about`, whole or not at all."""
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata={"about": json.dumps(about)})
    temporary.replace(path)


def read_tensors(path: Path, device: str = "cpu") -> tuple[dict[str, Tensor], dict]:
    """Tensors and `about` of a file by `write_tensors`. TrainingError if it is none."""
    if not path.exists():
        raise TrainingError(f"there is no checkpoint {path}; train a model first")
    try:
        with safe_open(path, "pt", device=device) as file:
            about = json.loads((file.metadata() or {})["about"])
            # A name is a path, such as critic.auxiliary.weight.
            names = {".".join(map(today, name.split("."))): name for name in file.keys()}  # noqa: SIM118
            return {now: file.get_tensor(name) for now, name in names.items()}, about
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise TrainingError(f"{path} is not a checkpoint of albumlib ({error})") from error


def save_generator(path: Path, generator: Generator, about: dict) -> None:
    """Write a generator with all that is needed to build it again."""
    shape = {
        "size": generator.size,
        "latent": generator.latent,
        "labels": generator.labels,
        "width": generator.to_rgb.in_channels,
        "extras": generator.extras,
        "words": generator.words,
        "titles": generator.titles.reads if generator.titles else "",
        "residual": generator.residual,
        "noise": generator.noise,
    }
    if generator.prior is not None:
        shape |= prior_shape(generator.prior)
    write_tensors(path, generator.state_dict(), {**about, "generator": shape})


def load_generator(path: str | Path, device: str = "cpu") -> Generator:
    """The generator of a checkpoint, a file or the folder that holds it, ready to draw.

    Raises TrainingError if there is none, or if it is damaged.
    """
    path = Path(path)
    path = path / "generator.safetensors" if path.is_dir() else path
    tensors, about = read_tensors(path, device)
    try:
        shape = about["generator"]
        shape["extras"] = [today(name) for name in shape.get("extras", ())]
        generator = Generator(**shape)
        generator.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path} holds no generator that this version can read") from error
    generator.to(device, memory_format=torch.channels_last)
    return generator.requires_grad_(False).eval()


def load_critic(folder: str | Path) -> Critic:
    """The critic of a training run's folder, to score covers with. TrainingError if none."""
    tensors, about = read_tensors(Path(folder) / "training.safetensors")
    state = {k.removeprefix("critic."): v for k, v in tensors.items() if k.startswith("critic.")}
    config = about["config"]
    critic = Critic(
        config["size"],
        len(state["scale.mean"]),
        config["critic_width"],
        config["projection"],
        len(about.get("words", ())),
        config.get("titles", ""),
        config.get("minibatch_stddev", 0),
        config.get("critic_blocks", "strided"),
    )
    critic.load_state_dict(state)
    return critic.to(memory_format=torch.channels_last).requires_grad_(False).eval()


def read_networks(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Tensor], dict]:
    """The averaged generator and the critic to begin another training with, as state dicts, and
    the generator's shape.

    `path` is a run's folder, or the file of a generator with its critic beside it, as
    `acgan.safetensors` has `acgan_critic.safetensors`. TrainingError if there is none.
    """
    path = Path(path)
    if path.is_dir():
        tensors, _ = read_tensors(path / "training.safetensors")
        critic = {k.removeprefix("critic."): v for k, v in tensors.items() if k[:7] == "critic."}
        path = path / "generator.safetensors"
    else:
        critic, _ = read_tensors(path.with_name(f"{path.stem}_critic{path.suffix}"))
    generator, about = read_tensors(path)
    return generator, critic, about["generator"]


def store_optimiser(name: str, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser as named tensors."""
    state = optimiser.state_dict()["state"]
    return {
        f"{name}.{index}.{key}": value
        for index, values in state.items()
        for key, value in values.items()
    }


def restore_optimiser(
    name: str, optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Invert `store_optimiser`."""
    state: dict[int, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        if path.startswith(name + "."):
            index, key = path.removeprefix(name + ".").split(".")
            state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
