"""The command line in this process."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
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


def chainrule(*words: object, typed: str = "") -> Done:
    """Run a command as `chainrule WORDS` does, with something typed into it."""
    out, errors = io.StringIO(), io.StringIO()
    words = ("chainrule", *map(str, words))
    with (
        patch.multiple(sys, argv=[*words], stdin=io.StringIO(typed)),
        redirect_stdout(out),
        redirect_stderr(errors),
        pytest.raises(SystemExit) as stopped,
    ):
        main()
    return Done(stopped.value.code or 0, out.getvalue(), errors.getvalue())
