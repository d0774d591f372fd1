"""Checkpoints: tensors in a safetensors file, everything else as JSON in its header. No pickle.

A training's folder holds the two newest ones, of which the older is in `previous/`. What is not
finite is neither written nor read.
"""

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from albumlib import AlbumlibError
from albumlib.models.networks import Generator
from albumlib.models.quantum import prior_shape
from albumlib.runtime.files import written_whole
from albumlib.runtime.names import today


class TrainingError(AlbumlibError):
    """Settings, data or a checkpoint that do not fit; the message says what to change."""


GENERATOR, TRAINING = "generator.safetensors", "training.safetensors"  # to use, and to go on from
PREVIOUS = "previous"  # the folder of the checkpoint before the newest


class NotFiniteError(TrainingError):
    """Weights that are infinite or no numbers."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: dict) -> None:
    """Write tensors and a JSON-able `about`, whole or not at all.

    Raises NotFiniteError for tensors that are not finite, OSError where there is no room.
    """
    check_finite(tensors, path)
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    # not `save_file`, whose files nobody else may read
    with written_whole(path) as unfinished, unfinished.open("wb") as file:
        file.write(save(tensors, {"about": json.dumps(about)}))
        file.flush()
        os.fsync(file.fileno())


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors and `about` of a file by `write_tensors`.

    Raises TrainingError if it is none, NotFiniteError if its tensors are not finite.
    """
    with _opened(path) as (file, about):
        # A name is a path, such as critic.auxiliary.weight.
        names = {".".join(map(today, name.split("."))): name for name in file.keys()}  # noqa: SIM118
        tensors = {now: file.get_tensor(name) for now, name in names.items()}
    check_finite(tensors, path)
    return tensors, about


def read_about(path: Path) -> dict:
    """Only the `about` of a file by `write_tensors`. TrainingError if it is none."""
    with _opened(path) as (_, about):
        return about


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple]:
    if not path.exists():
        raise TrainingError(f"there is no checkpoint {path}; train a model first")
    try:
        with safe_open(path, "pt") as file:
            yield file, json.loads((file.metadata() or {})["about"])
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise TrainingError(f"{path} is not a checkpoint of albumlib ({error})") from error


def part(tensors: Mapping[str, Tensor], *names: str) -> dict[str, Tensor]:
    """The state of a network among the tensors of a checkpoint, where it bears one of `names`."""
    pairs = ((*key.split(".", 1), value) for key, value in tensors.items())
    return {rest: value for name, rest, value in pairs if name in names}


def check_finite(tensors: Mapping[str, Tensor], where: object) -> None:
    """Raise NotFiniteError if any of the tensors is not finite."""
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise NotFiniteError(
            f"{where}: {len(broken)} of {len(tensors)} tensors are not finite, as after a training "
            "that diverged; take an earlier checkpoint or train anew"
        )


# A training's folder --------------------------------------------------------------------------


def checkpoints(folder: Path) -> Iterator[Path]:
    """The files that a training can go on from, the newest first."""
    for place in (folder, folder / PREVIOUS):
        if (place / TRAINING).exists():
            yield place / TRAINING


@contextlib.contextmanager
def replaced(folder: Path, keep: bool) -> Iterator[Path]:
    """A folder for a new checkpoint, which then takes the place of the newest; that one is kept
    as the previous one, or forgotten. Nothing changes if writing fails."""
    new = folder / "new"
    new.mkdir(exist_ok=True)
    try:
        yield new
        if keep:
            (folder / PREVIOUS).mkdir(exist_ok=True)
            for file in filter(Path.exists, (folder / GENERATOR, folder / TRAINING)):
                file.replace(folder / PREVIOUS / file.name)
        for file in (new / GENERATOR, new / TRAINING):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(new)


def read_newest(folder: Path) -> tuple[dict[str, Tensor], dict, Path]:
    """Tensors and `about` of the newest checkpoint that can be read, and its path; warns if that
    is not the newest of all. Raises TrainingError if there is none.
    """
    error = TrainingError(f"there is no checkpoint in {folder}")
    for path in checkpoints(folder):
        try:
            found = *read_tensors(path), path
        except TrainingError as damaged:
            error = damaged
        else:
            if path.parent != folder:
                warnings.warn(f"{error}; going on from the one before, {path}", stacklevel=2)
            return found
    raise error


# Networks -------------------------------------------------------------------------------------


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
        "limit": generator.limit,
    }
    if generator.scale.learned.isfinite().all():  # a generator without data knows no range
        shape["learned"] = generator.scale.learned.tolist()
    if generator.prior is not None:
        shape |= prior_shape(generator.prior)
    write_tensors(path, generator.state_dict(), {**about, "generator": shape})


def load_generator(path: str | Path) -> Generator:
    """The generator of a checkpoint, a file or the folder that holds it, ready to use.

    Raises TrainingError if there is none, if it is damaged, or if its weights are not finite.
    """
    path = Path(path)
    path = path / GENERATOR if path.is_dir() else path
    tensors, about = read_tensors(path)
    try:
        shape = about["generator"]
        shape["extras"] = [today(name) for name in shape.get("extras", ())]
        generator = Generator(**shape)
        generator.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path} holds no generator that this version can read") from error
    return generator.to(memory_format=torch.channels_last).requires_grad_(False).eval()


def read_config(path: str | Path) -> dict:
    """The settings that a generator, a run's folder or a file, was trained with. TrainingError if
    there is none."""
    path = Path(path)
    return read_about(path / GENERATOR if path.is_dir() else path).get("config", {})


def read_networks(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Tensor], dict]:
    """The averaged generator and the critic to begin another training with, as state dicts, and
    the generator's shape.

    `path` is a run's folder, or the file of a generator with its critic beside it, as
    `acgan_start.safetensors` has `acgan_start_critic.safetensors`. TrainingError if there is none.
    """
    path = Path(path)
    if path.is_dir():
        tensors, _ = read_tensors(path / TRAINING)
        critic = part(tensors, "critic")
        path = path / GENERATOR
    else:
        beside = path.with_name(f"{path.stem}_critic{path.suffix}")
        if path.exists() and not beside.exists():
            raise TrainingError(
                f"{path} has no critic beside it, and a training needs both: begin with "
                "data/pretrained/acgan_start.safetensors, or with the folder of a training"
            )
        critic, _ = read_tensors(beside)
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
    """Invert `store_optimiser`; rows that a weight has got since then begin with zeros."""
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        if path.startswith(name + "."):
            index, key = path.removeprefix(name + ".").split(".")
            if tensor.ndim:
                more = len(weights[int(index)]) - len(tensor)
                tensor = F.pad(tensor, (0, 0) * (tensor.ndim - 1) + (0, more))
            state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
