"""The command group behind ``python -m spacy_elmo`` and ``spacy elmo``.

A command is one file beside this one, holding a function of the same name, and one entry in
`COMMANDS`. Files are imported when their command (or the list of all) is asked for, so that neither
a slow nor a broken one is felt by any other command, of ours or of spaCy's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from spacy_elmo.files import expanded
from spacy_elmo.pretraining.report.console import keep_working

COMMANDS = (
    "info",
    "convert",
    "download",
    "prepare",
    "pretrain",
    "evaluate",
    "score",
    "embed",
    "distill",
    "init-config",
    "render",
)


class CommandFiles(TyperGroup):
    """Commands read from the files of this folder; mistakes in the input shown as one line."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, imported now, or None."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        function = getattr(import_module(f"spacy_elmo.cli.{name}"), name)
        command = typer.Typer(add_completion=False, rich_markup_mode=None)
        command.command(cmd_name)(_with_home(function))
        return get_command(command)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what the package raises for bad input ends it with one line."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # `... | head`: Typer ends the process quietly
        except (OSError, ValueError) as error:
            # An ElmoError, a wrong option, a missing file: the message is written for the user.
            if ctx.params["traceback"]:
                raise
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error


def _with_home(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command for which `~` is the home directory, also where no shell has seen to that."""

    def expand(value: Any) -> Any:
        if isinstance(value, list):
            return [expand(each) for each in value]
        if isinstance(value, str):
            return str(expanded(value)) if value.startswith("~") else value
        return expanded(value) if isinstance(value, Path) else value

    @wraps(function)
    def run(**given: Any) -> Any:
        return function(**{name: expand(value) for name, value in given.items()})

    return run


app = typer.Typer(
    name="elmo", cls=CommandFiles, add_completion=False, rich_markup_mode=None, no_args_is_help=True
)


def _show_version(asked: bool) -> None:
    if asked:
        from spacy_elmo import __version__

        typer.echo(f"spacy-elmo {__version__}")
        raise typer.Exit


@app.callback()
def elmo(
    traceback: bool = typer.Option(False, "--traceback", help="Show where an error was raised."),
    version: bool = typer.Option(
        False,
        "--version",
        callback=_show_version,
        is_eager=True,
        help="Show the version of spacy-elmo; `info` shows those of all packages.",
    ),
) -> None:
    """ELMo: inspect, download, convert, pretrain and evaluate bidirectional language models."""
    keep_working()
