"""The command line's frame: the application, its entry point, and what the commands share.

Exit codes: 0 done, 1 the answer is no (a wrong gradient, a training that diverged), 2 the call was wrong, 130 stopped
by Ctrl-C.
"""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule import terminal
from chainrule._version import __version__
from chainrule.core.errors import CaptureError

from .lines import line
from .messages import heading, in_language, language_of
from .options import parser_of, parser_of_all, values

if TYPE_CHECKING:
    from .screen import Screen

NO, WRONG_CALL, INTERRUPTED = 1, 2, 130
STOPPED = {"en": "interrupted", "ko": "중단했습니다"}
TARGET = "The data's target column (default: the trained model's own, else the last); with --loss, the loss's target."
UNKNOWN = "A category that the training did not have: error (default) or ignore."
UNKNOWN_NOW = "A category that the training did not have: error or ignore (default: what train was told)."
ENCODING = "A text file's encoding, such as cp949 (default: recognised)."
LANG = "The language of what is printed, en or ko."
TASK = "How to treat the target: auto, classification or regression."

COMMANDS: dict[str, Callable[..., None]] = {}
"""The commands by name, in the order of the help."""
EXAMPLES: dict[str, str] = {}


def command(example: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as the command of its name, whose help ends with an example."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        COMMANDS[function.__name__], EXAMPLES[function.__name__] = function, example
        return function

    return register


@cache
def console() -> "Screen":
    """Return the screen that the commands print results on; made when something is printed, as it takes a while."""
    return _screen()


def _screen(**settings: Any) -> "Screen":
    try:
        from .screen import Screen
    except ModuleNotFoundError as error:
        sys.exit(f"chainrule: this command needs {error.name}; run: python -m pip install 'chainrule[app]'")
    return Screen(soft_wrap=True, **settings)


def say(text: str, lang: str, style: str | None = None) -> None:
    """Print a result, or what is being done, in a language."""
    console().print(line(text, lang), style=style)


def warn(text: str) -> None:
    """Print a warning to the error stream."""
    lang = language_of(sys.argv[1:])
    _to_errors(f"{heading('warning', lang)}: {in_language(text, lang)}", "yellow")


def _to_errors(text: str, style: str) -> None:
    if not console().quiet:
        _screen(stderr=True).print(text, style=style)


def main() -> None:
    """Run the command line; a wrong call or unusable data is reported on one line, without a traceback."""
    with terminal.prepared():
        try:
            _run(sys.argv[1:], "python -m chainrule" if Path(sys.argv[0]).name == "__main__.py" else "chainrule")
        except KeyboardInterrupt:
            _to_errors(STOPPED[language_of(sys.argv[1:])], "yellow")
            sys.exit(INTERRUPTED)
        except Exception as error:
            text = _text_of(error)
            if text is None:
                raise  # a bug in the package: its traceback says where
            lang = language_of(sys.argv[1:])
            _to_errors(f"{heading('error', lang)}: {in_language(text, lang)}", "red")
            sys.exit(NO if isinstance(error, FloatingPointError) else WRONG_CALL)
    sys.exit(0)


def _text_of(error: Exception) -> str | None:
    """Return what is said of an error; None if only its traceback would help."""
    from chainrule.jobs.calling import said

    is_expected = isinstance(error, FloatingPointError | CaptureError | ValueError | ImportError | OSError)
    return said(error) or (str(error) if is_expected else None)


def _run(words: list[str], program: str) -> None:
    """Run the command that the words call, or print what was asked for instead."""
    if words and words[0] in COMMANDS:
        function = COMMANDS[words[0]]
        given = values(parser_of(f"{program} {words[0]}", function, EXAMPLES[words[0]]), words[1:])
        if given.get("seed") is not None and given["seed"] < 0:
            raise ValueError(f"--seed: expected 0 or more, got {given['seed']}")
        function(**given)
        return
    parser = parser_of_all(program, COMMANDS, f"chainrule {__version__}")
    if not words:
        parser.print_help(sys.stderr)
        sys.exit(WRONG_CALL)
    parser.parse_args(words)


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
