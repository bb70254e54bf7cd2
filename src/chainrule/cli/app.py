"""The command line's frame: the application, its entry point, and what the commands share.

Exit codes: 0 done, 1 the answer is no (a wrong gradient, a training that diverged), 2 the call was wrong, 130 stopped
by Ctrl-C.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

try:
    import typer
except ModuleNotFoundError as error:
    sys.exit(f"chainrule: the command line needs {error.name}; run: python -m pip install 'chainrule[app]'")

from typer.core import TyperCommand

from chainrule import terminal
from chainrule._version import __version__
from chainrule.core.errors import CaptureError

NO, WRONG_CALL, INTERRUPTED = 1, 2, 130
TARGET = "The data's target column (default: the trained model's own, else the last); with --loss, the loss's target."
UNKNOWN = "A category that the training did not have: error (default) or ignore."
UNKNOWN_NOW = "A category that the training did not have: error or ignore (default: what train was told)."
ENCODING = "A text file's encoding, such as cp949 (default: recognised)."
TASK = "How to treat the target: auto, classification or regression."

app = typer.Typer(
    name="chainrule",
    help="Backpropagation that is verified, explained and fast.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = terminal.Screen(soft_wrap=True)


def main() -> None:
    """Run the command line; a wrong call or unusable data is reported on one line, without a traceback."""
    with terminal.prepared():
        try:
            app()
        except (FloatingPointError, CaptureError, ValueError, ImportError, OSError, TypeError) as error:
            if isinstance(error, TypeError) and not str(error).startswith(
                ("explain", "explore", "graph: ", "doctor: ", "check")
            ):
                raise  # a bug in the user's program: its traceback says where
            terminal.Screen(stderr=True, soft_wrap=True, quiet=console.quiet).print(f"error: {error}", style="red")
            sys.exit(NO if isinstance(error, FloatingPointError) else WRONG_CALL)


class _Grouped(TyperCommand):
    """A command whose help has its options under their headings (`rich_help_panel`), which typer leaves to rich."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, the options without a heading, and then each heading with its options."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            heading = "Arguments" if param.param_type_name == "argument" else getattr(param, "rich_help_panel", None)
            if record is not None:
                groups.setdefault(heading or "Options", []).append(record)
        for heading, records in groups.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def command(example: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as a command, whose help ends with an example."""
    return app.command(cls=_Grouped, epilog=f"Example: {example}")


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        typer.echo(f"chainrule {__version__}")
        raise typer.Exit


def data_files(data: str | None) -> dict[str, Path]:
    """The files that a data argument reads, keyed by what they are, so that no output overwrites one of them."""
    from chainrule.data.named import files_of
    from chainrule.data.streams import streamable

    return as_inputs(files_of(data or "") or streamable(data or ""))


def as_inputs(files: list[Path]) -> dict[str, Path]:
    """Name the files that data are read from: one, it and its labels where they are apart, or each of many."""
    from chainrule.data.idx_file import is_idx

    if len(files) == 2 and is_idx(files[1]):
        return {"the data": files[0], "the data (its labels)": files[1]}
    return {"the data" if len(files) == 1 else f"the data ({path})": path for path in files}


def target_files(target: str) -> dict[str, Path]:
    """The file behind FILE.py:NAME, module:NAME or a model."""
    place, _, _ = target.rpartition(":")
    paths = {Path(target), Path(place), Path(f"{place.replace('.', '/')}.py")}
    return {f"the file of {target}": path for path in paths if path.is_file()}


def warn(text: str) -> None:
    """Print a warning to the error stream."""
    terminal.Screen(stderr=True, soft_wrap=True, quiet=console.quiet).print(f"warning: {text}", style="yellow")
