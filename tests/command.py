"""The command line in this process."""

import io
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from os import PathLike
from unittest.mock import patch

import pytest

from chainrule.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    exit_code: object
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Everything that it printed."""
        return self.stdout + self.stderr


def chainrule(*words: object, typed: str = "", folder: str | PathLike[str] = ".", together: bool = False) -> Done:
    """Run a command in a folder as `chainrule WORDS` does, with something typed into it.

    What it prints as an error is in `stdout` too if both go `together`, as to a terminal.
    """
    out = io.StringIO()
    errors = out if together else io.StringIO()
    words = ("chainrule", *map(str, words))
    with (
        patch.multiple(sys, argv=[*words], stdin=io.StringIO(typed)),
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(errors),
        pytest.raises(SystemExit) as stopped,
    ):
        main()
    return Done(stopped.value.code or 0, out.getvalue(), "" if together else errors.getvalue())
