"""How the command line talks: bars while it works, counts at the end, errors as one sentence."""

import contextlib
import errno
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import typer
from typer.core import TyperGroup

from albumlib import AlbumlibError
from albumlib.runtime.names import COMMANDS
from albumlib.runtime.progress import Progress, forecast

FAILURES = (AlbumlibError, OSError, ImportError, KeyboardInterrupt)  # told as one sentence
HINTS = {  # what to do about what the system says of a file
    errno.EEXIST: "this is a file where a folder is wanted, so name another",
    errno.ENOTDIR: "a part of this path is a file, so name another folder",
    errno.EISDIR: "this is a folder, so name a file in it",
    errno.ENOENT: "nothing can be read or made there, so name another place",
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), "name a place that you may read and write"
    ),
}


class Sentences(TyperGroup):
    """Turns an error that the user can put right into one sentence and exit code 1."""

    def get_command(self, context, name):
        """A command, also by its former name."""
        now = COMMANDS.get(name, name)
        if now != name:
            typer.echo(f"note: {name} is now called {now}", err=True)
        return super().get_command(context, now)

    def invoke(self, context):
        """Run the command, unless `--debug` asks for the whole traceback."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = partial(_note, warnings.showwarning)
                return super().invoke(context)
        except FAILURES as error:
            if context.params["debug"] or isinstance(error, BrokenPipeError):
                raise  # as click ends it: `| head` has seen enough, and that is no error
            typer.echo(f"error: {_sentence(error)}", err=True)
            raise typer.Exit(1) from error


def run(main: Callable[[], None]) -> None:
    """Run what a module of its own does on the command line; a failure is one sentence, exit 1."""
    try:
        main()
    except FAILURES as error:
        sys.exit(f"error: {_sentence(error)}")


def _note(otherwise: Callable, message, category, filename: str, *place) -> None:
    """Show a warning of ours as one line, without the place in the code."""
    if "albumlib" in Path(filename).parts:
        from tqdm import tqdm

        tqdm.write(f"note: {message}", file=sys.stderr)  # above a bar that is being shown
    else:
        otherwise(message, category, filename, *place)


def _sentence(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped; what was done is kept, and the same command goes on from there"
    if isinstance(error, ImportError) and error.name:
        return f"{error.name} is missing; see python -m albumlib doctor"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; make room, then the same command goes on from where it stopped"
    if isinstance(error, OSError) and error.filename:
        hint = HINTS.get(error.errno)
        return f"{error.filename}: {error.strerror}" + (f"; {hint}" if hint else "")
    return str(error)


def say(counts: dict) -> None:
    """Print counts, one a line."""
    for name, count in counts.items():
        if isinstance(count, dict):
            say({f"{name}: {reason}": number for reason, number in count.items()})
        else:
            typer.echo(f"{count:>10,}  {name}")


@contextlib.contextmanager
def bars() -> Iterator[Progress]:
    """A callback `(what, done, total)` that shows one bar after the other."""
    from tqdm import tqdm

    bar = None

    def show(what: str, done: int, total: int) -> None:
        nonlocal bar
        if bar is None or bar.desc.removesuffix(": ") != what:
            stack.close()
            bar = tqdm(desc=what, initial=done, total=total or None, unit_scale=True)
            stack.enter_context(bar)
        bar.update(done - bar.n)

    with contextlib.ExitStack() as stack:
        yield show


@contextlib.contextmanager
def ticker() -> Iterator[Callable[[str], None]]:
    """A callback that prints lines at once; on a terminal, cells of a notebook share one line."""

    def tell(line: str) -> None:
        start, end = ("\r\x1b[2K", "" if ": cell " in line else "\n") if live else ("", "\n")
        print(start + line, end=end, flush=True)

    live = sys.stdout.isatty()
    try:
        yield tell
    finally:
        if live:
            print("\r\x1b[2K", end="", flush=True)


@contextlib.contextmanager
def training_bar(steps: int) -> Iterator[Callable[[dict], None]]:
    """A callback that shows a training's records on a bar."""
    from tqdm import tqdm

    # Of several processes of one training only the first one speaks.
    with tqdm(total=steps, unit="step", disable=os.environ.get("RANK", "0") != "0") as bar:

        def show(record: dict) -> None:
            if "seconds_left" in record:
                bar.write(forecast(record))
                return
            hidden = ("step", "steps", "images_per_s")
            shown = {name: number for name, number in record.items() if name not in hidden}
            bar.set_postfix(shown, refresh=False)
            bar.update(record["step"] - bar.n)

        yield show
