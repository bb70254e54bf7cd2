"""Calling what a user's file defines, and saying in one line what went wrong there."""

import inspect
import os
import re
import sysconfig
import traceback
from collections.abc import Callable
from typing import Any

from chainrule.base.provenance import is_users
from chainrule.core import errors

STANDARD = sysconfig.get_paths()["stdlib"] + os.sep
"""The path prefix of Python's own library, which programs call as well."""
_NAMED = re.compile(r"[\w.\[\]'\" /-]{1,60}: \S")
"""How the package's own messages begin: with the operation or the argument."""


def made(f: Callable[[], Any], expected: str) -> Any:
    """Return the result of a class or a function of the user's that is called without arguments.

    Raises ValueError if it needs arguments; the message says what was `expected`.
    """
    try:
        needed = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        needed = {}.values()
    names = [p.name for p in needed if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if names:
        name = getattr(f, "__name__", type(f).__name__)
        raise ValueError(f"{name}: it needs the arguments {', '.join(names)}; expected {expected}")
    return f()


def said(error: Exception) -> str | None:
    """Return one line for an error that the user's code raised, or what the package said when it raised one about it.

    None for any other error: it is a fault of the package, whose traceback says where.
    """
    frames = traceback.extract_tb(error.__traceback__)
    start = next((k for k, frame in enumerate(frames) if not is_users(frame.filename)), 0)
    places = [f"{frame.filename}:{frame.lineno}" for frame in frames[start:] if is_program(frame.filename)]
    first = str(error).partition("\n")[0]
    if not frames or is_users(frames[-1].filename):  # raised by the program, or by a library that it called
        written_for = frames[-1].filename if frames else ""
        return f"{places[-1]}: {type(error).__name__}: {first}{_hint(written_for, first)}" if places else None
    is_told = _NAMED.match(first) or type(error).__module__ == errors.__name__
    if not is_told or isinstance(error, AssertionError | AttributeError | KeyError | NameError):
        return None
    return str(error).replace(first, f"{first} (at {places[-1]})", 1) if places else str(error)


def is_program(file: str) -> bool:
    """Whether a file is of the user's program: neither of this package nor of an installed one."""
    is_own = is_users(file, (STANDARD,)) and "site-packages" not in file
    return is_own and not file.startswith("<") and not file.endswith(".pyx")


def _hint(file: str, message: str) -> str:
    if f"{os.sep}torch{os.sep}" not in file or "must be Tensor" not in message:
        return ""
    return "; PyTorch's functions take its own tensors only: name its module, and give --loss and --target"
