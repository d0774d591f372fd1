"""What lets a training go on where it stopped: a lock on its folder, records without gaps, settings
that may be changed, a vocabulary that only grows.
"""

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from albumlib.models.checkpoint import (
    PREVIOUS,
    TrainingError,
    checkpoints,
    read_about,
    read_networks,
)
from albumlib.models.titles import extended
from albumlib.runtime.files import write_text
from albumlib.runtime.names import renamed
from albumlib.training.config import TrainingConfig

# How long a run is and what it writes: changed without a word.
FREE = {"steps", "max_minutes", "log_every", "sample_every", "save_every", "compile", "graphs"}
# What one may try after a divergence or a plateau: changed with a warning, and recorded.
CHANGEABLE = {
    "generator_rate", "critic_rate", "beta1", "beta2", "ema_halflife", "penalty", "penalty_every",
    "clip", "auxiliary_weight", "generator_auxiliary_weight", "label_noise", "label_dropout",
    "word_dropout", "augment", "latent_rate", "latent_damping", "latent_fraction", "latent_weight",
    "latent_every", "schedule", "burn_in", "final_rate", "final_penalty", "final_beta2",
    "final_ema_halflife",
}  # fmt: skip


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """A training's folder for this process alone. TrainingError if another one has it."""
    try:
        lock = FileLock(folder / ".lock", timeout=0).acquire()
    except Timeout as error:
        raise TrainingError(
            f"another training is at work in {folder}; wait for it, or choose another folder"
        ) from error
    with lock:
        yield


def changed_settings(config: TrainingConfig, about: dict, folder: Path) -> list[dict]:
    """The settings that differ from those of a checkpoint, with a warning about each: the step,
    the name, and the values until then and from then on. TrainingError for one that is fixed.
    """
    then = asdict(TrainingConfig()) | renamed(about["config"])  # older runs know fewer settings
    changes = []
    for name, value in asdict(config).items():
        if name in FREE or then[name] == value:
            continue
        if name not in CHANGEABLE:
            raise TrainingError(
                f"{folder} holds a run with {name}={then[name]!r}, not {value!r}; choose another "
                "folder, or delete this one to start again"
            )
        changes.append({"step": about["step"], "name": name, "from": then[name], "to": value})
        text = f"from step {about['step']} on {name} is {value!r}, until then {then[name]!r}"
        warnings.warn(text, stacklevel=2)
    return changes


def vocabulary(
    words: Sequence[str], folder: Path | None, start: str | Path | None
) -> tuple[str, ...]:
    """The words of a training's titles: first those of the checkpoint that it goes on from, or of
    the networks that it begins with."""
    known = read_networks(start)[2] if start and not folder else {}
    for path in checkpoints(folder) if folder else ():
        with contextlib.suppress(TrainingError):  # a damaged one: the next is gone on from
            known = read_about(path)
            break
    return extended(known.get("words", ()), words)


def forget_former_run(folder: Path) -> None:
    """Drop the checkpoint before the newest, if it is of a run that is not gone on with."""
    shutil.rmtree(folder / PREVIOUS, ignore_errors=True)


# Records --------------------------------------------------------------------------------------


def read_records(folder: str | Path) -> list[dict]:
    """The numbers that a run wrote into its folder, a record every `log_every` steps; warns of
    lines that are damaged, as a power cut leaves them, and leaves them out."""
    path = Path(folder) / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    records = [record for record in map(_record, lines) if record]
    if len(records) < len(lines):
        damaged = len(lines) - len(records)
        warnings.warn(f"{path}: damaged lines are left out, {damaged} in all", stacklevel=2)
    return records


def _record(line: str) -> dict | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "step" in record else None


def forget_later_records(folder: Path, step: int) -> None:
    """Drop records of steps that the run is about to repeat."""
    path = folder / "metrics.jsonl"
    records = read_records(folder) if step and path.exists() else []
    kept = [record for record in records if record["step"] <= step]
    write_text(path, "".join(json.dumps(record) + "\n" for record in kept))
