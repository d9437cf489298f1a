"""The `unmask` command.

What judges here loads a network, what asks a server loads an HTTP client: each is imported by the
command that needs it, so that the other starts at once.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from client import output
from client.ending import Commands, Judged, Stopped, say
from client.errors import DeskError
from client.files import find
from client.result import EXIT_FAILED, EXIT_INCONCLUSIVE, Result, exit_code
from ml.errors import MLError

if TYPE_CHECKING:
    from client.server import Desk
    from client.shapes import Terms

EXIT_INTERRUPTED = 130  # as shells have it
DEFAULT_MODEL = "default"


def _from_environment(context: typer.Context, param: typer.CallbackParam, key: str) -> str:
    source = context.get_parameter_source(str(param.name))
    if source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter(
            "everybody on this machine can read arguments; "
            "put the key into UNMASK_API_KEY or into a file for --key-file"
        )
    return key


Server = Annotated[
    str,
    typer.Option("--server", metavar="URL", envvar="UNMASK_SERVER", help="Ask this server."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(help="A file with the API key; without it UNMASK_API_KEY holds the key."),
]
Key = Annotated[
    str,
    typer.Option("--key", envvar="UNMASK_API_KEY", hidden=True, callback=_from_environment),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

app = typer.Typer(
    cls=Commands, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
)


@app.callback()
def unmask() -> None:
    """Judge whether photographs are generated or manipulated."""


@app.command()
def check(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Images, folders of images, or - for standard input.", metavar="PATH"),
    ],
    *,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, with a head.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Images at once.", show_default="2, or 4 on a server"),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A shipped model, such as paper_cnn; not on a server.")
    ] = DEFAULT_MODEL,
    server: Server = "",
    key_file: KeyFile = None,
    key: Key = "",
    bulk: Annotated[
        bool, typer.Option("--bulk", help="On a server: in batches, behind what people wait for.")
    ] = False,
    metadata: Annotated[
        str, typer.Option(metavar="JSON", help="On a server: an object to keep with each image.")
    ] = "",
    confidential: Annotated[
        bool, typer.Option("--confidential", help="On a server: hide from moderators.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="On a server: wait for verdicts.")
    ] = True,
    timeout: Annotated[
        float, typer.Option(min=1, help="On a server: seconds to wait for each image.")
    ] = 600.0,
) -> None:
    """Judge images, on this machine or on a server.

    Exit code: 3 if any file failed, else 1 if any is likely manipulated, else 2 if any is
    inconclusive, else 0.
    """
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    if not server and (bulk or metadata or confidential or not wait or key_file):
        raise typer.BadParameter("this is for a server; name one with --server")
    if server and model != DEFAULT_MODEL:
        raise typer.BadParameter("a server chooses its model; leave out --model or --server")
    terms = _terms(metadata, is_bulk=bulk, is_confidential=confidential)
    files = find(paths)
    if not files:
        named = ", ".join(output.shown(str(path)) for path in paths)
        raise Stopped("no_image", f"no image found in {named}")
    write = output.write_json if as_json else output.write_csv if as_csv else output.write_line
    if as_csv:
        output.write_csv_head()
    with _ends_well():
        if server:
            desk = _desk(server, key, key_file, patience_s=timeout)
            judged = _judged_there(
                files, desk, terms, jobs=jobs or 4, timeout_s=timeout, waits=wait
            )
        else:
            from client.check import judged_here

            judged = judged_here(files, min(jobs or 2, len(files)), model)
        results = _written(judged, write, len(files))
    if not (as_json or as_csv):
        say(output.summary(results), style="dim")
    raise Judged(exit_code(results))


@app.command()
def show(
    ids: Annotated[list[str], typer.Argument(help="Detections of a server.", metavar="ID")],
    *,
    as_json: AsJson = False,
    server: Server = "",
    key_file: KeyFile = None,
    key: Key = "",
) -> None:
    """Tell what a server says of images that it knows; exit codes as of `check`."""
    with _ends_well():
        desk = _desk(server, key, key_file)
        judged = _judged_before(ids, desk)
        results = _written(judged, output.write_json if as_json else output.write_line, len(ids))
    raise Judged(exit_code(results))


@app.command()
def feedback(
    detection: Annotated[str, typer.Argument(help="A detection of a server.", metavar="ID")],
    *,
    label: Annotated[str, typer.Option(help="What it is: real, fake or unknown.")],
    category: Annotated[
        str, typer.Option(help="false_positive, false_negative, confirmation or other.")
    ],
    comment: Annotated[str, typer.Option(help="How you know.")] = "",
    server: Server = "",
    key_file: KeyFile = None,
    key: Key = "",
) -> None:
    """Tell a server what you know of an image; exit code 3 if it was not taken, else 0."""
    with _ends_well(), _desk(server, key, key_file) as desk:
        desk.feedback(detection, label=label, category=category, comment=comment)
    say("Thank you; a person will look at it.", style="dim")


@app.command(name="verify-report")
def verify_report(
    file: Annotated[Path, typer.Argument(help="A report, as PDF or JSON, or -.", metavar="FILE")],
    *,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Public keys that you trust, kept from before."),
    ] = None,
    server: Server = "",
    as_json: AsJson = False,
) -> None:
    """Check a signed report: against a key, or against a desk that also says whether it stands.

    Exit code: 0 intact, 1 altered or not issued by the desk, 2 superseded, revoked or erased, 3 no
    report or no answer, 4 signed with an unknown key.
    """
    from client.verify_report import verify

    if not server and key is None:
        raise typer.BadParameter("name public keys with --key, or a desk with --server")
    with _ends_well():
        try:
            found = verify(file, keys=key, server=server)
        except OSError as error:
            raise Stopped("not_readable", output.shown(str(error))) from None
        except ValueError as error:
            raise Stopped("keys_unreadable", output.shown(str(error))) from None
    if as_json:
        print(found.line())  # noqa: T201
    else:
        print(f"{output.shown(str(file))}: {found.sentence}")  # noqa: T201
    raise Judged(found.exit_code)


def run() -> None:
    """Entry point of the command."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except Judged:
        raise
    except SystemExit as end:  # an option mistyped ends with 2, which is a verdict here
        sys.exit(EXIT_FAILED if end.code == EXIT_INCONCLUSIVE else end.code)


def _terms(metadata: str, *, is_bulk: bool, is_confidential: bool) -> "Terms":
    terms: Terms = {}
    if metadata:
        terms["metadata"] = _object(metadata)
    if is_bulk:
        terms["priority"] = "bulk"
    if is_confidential:
        terms["is_confidential"] = True
    return terms


def _object(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"--metadata is no JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise typer.BadParameter('--metadata must be an object, such as {"story": 7}')
    return parsed


def _desk(server: str, key: str, key_file: Path | None, *, patience_s: float = 600.0) -> "Desk":
    from client.server import Desk

    if not server:
        raise Stopped("no_server", "name a server, with --server or in UNMASK_SERVER")
    if key_file:
        try:
            key = key_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            said = f"cannot read the key file {output.shown(str(key_file))}: {error}"
            raise Stopped("key_unreadable", said) from None
    if not key:
        said = "a server wants an API key: put it into UNMASK_API_KEY or name a --key-file"
        raise Stopped("no_key", said)
    return Desk(server, key, patience_s=patience_s)


@contextmanager
def _judged_there(
    files: Sequence[Path],
    desk: "Desk",
    terms: "Terms",
    jobs: int,
    timeout_s: float,
    *,
    waits: bool,
) -> Iterator[Iterator[Result]]:
    """The results of files on a server, in batches where they are bulk."""
    from client.remote import Errand

    with desk:
        errand = Errand(desk, terms, timeout_s=timeout_s, waits=waits)
        is_bulk = terms.get("priority") == "bulk"
        yield (errand.in_batches if is_bulk else errand.one_by_one)(files, jobs)
    if errand.hopeless:
        say(f"unmask: {output.shown(errand.hopeless.detail)}", style="red")


@contextmanager
def _judged_before(ids: Sequence[str], desk: "Desk") -> Iterator[Iterator[Result]]:
    from client.remote import asked_about

    with desk:
        yield (asked_about(detection_id, desk) for detection_id in ids)


def _written(
    judged: AbstractContextManager[Iterator[Result]], write: output.Write, total: int
) -> list[Result]:
    results = []
    with judged as coming, _progress(total) as advance:
        for result in coming:
            write(result)
            advance()
            results.append(result)
    return results


@contextmanager
def _ends_well() -> Iterator[None]:
    """Whatever ends a command early ends it with a sentence or in silence."""
    try:
        yield
    except MLError as error:
        raise Stopped(error.code, f"cannot judge anything: {error}") from None
    except DeskError as error:
        raise Stopped(error.code, output.shown(error.detail)) from None
    except BrokenPipeError:  # `unmask check ... | head`: nobody reads on
        _leave(EXIT_FAILED)
    except KeyboardInterrupt:
        _leave(EXIT_INTERRUPTED)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error, where that is a terminal and there is something to wait for."""
    console = Console(stderr=True)
    if not console.is_terminal or total == 1:
        yield lambda: None
        return
    columns = (TextColumn("Checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # With results going elsewhere, rich must not draw them above its bar.
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
    with bar:
        task = bar.add_task("check", total=total)
        yield lambda: bar.advance(task)


def _leave(code: int) -> NoReturn:
    """End now: a thread may be holding a request that nobody waits for any more."""
    os._exit(code)


if __name__ == "__main__":
    run()
