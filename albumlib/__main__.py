"""The command line: `python -m albumlib --help`.

Exit code 0 if all went well, 1 if something failed (one sentence says what), 2 for a command
that cannot be understood.
"""

from albumlib.runtime import threads

if __name__ == "__main__":
    threads.restart()

import sys
from typing import Annotated

import typer

from albumlib import __version__
from albumlib.cli import covers, data, evaluation, models, runs
from albumlib.cli.options import NAME
from albumlib.runtime.console import Sentences

app = typer.Typer(
    cls=Sentences,
    help="From songs to album covers: gather, clean, train, generate, or run the whole course.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"albumlib {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    pass


@app.command()
def doctor() -> None:
    """Check what is installed, and say what to do.

    \b
    Example: python -m albumlib doctor
    """
    from albumlib.runtime.doctor import examine

    findings = examine()
    for finding in findings:
        typer.echo(finding)
    raise typer.Exit(any(finding.state == "FAIL" for finding in findings))


for commands in (data, models, covers, evaluation, runs):
    app.add_typer(commands.app)


def main() -> None:
    """Run the command line. `--debug` may stand anywhere: it is moved to where it belongs."""
    threads.prepare()
    threads.shorten_slices()
    app(sorted(sys.argv[1:], key=lambda argument: argument != "--debug"), prog_name=NAME)


if __name__ == "__main__":
    main()
