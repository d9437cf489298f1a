"""How a command ends early: with a sentence, and with `--json` with an object as well."""

from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.exceptions import TyperException

from client import output
from client.result import EXIT_FAILED


class Judged(SystemExit):
    """The end of a command, with the exit code that its results call for."""


class Stopped(Exception):  # noqa: N818 (it names what became of the command)
    """A command cannot go on; `code` is stable, `detail` is for people and safe to print."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Commands(TyperGroup):
    """The commands; a program that reads standard output learns there why there is nothing else."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        ctx.obj = _asks_for_json(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except TyperException as error:  # whose sentence comes to standard error by itself
            if ctx.obj:
                output.write_error("bad_usage", output.shown(error.format_message()))
            raise
        except Stopped as stopped:
            say(f"unmask: {stopped.detail}", style="red")
            if ctx.obj:
                output.write_error(stopped.code, stopped.detail)
            raise Judged(EXIT_FAILED) from None


def say(message: str, *, style: str) -> None:
    """A line for people, on standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
    console.print(message, style=style)


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Before they are parsed, because they may be wrong; behind `--` nothing is an option."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options
