"""Programs as students see them: a function's source without annotations, run under a file name of its own.

Under that name tools treat the lines as the reader's: a derivation takes the names of its variables, and `check` points
to a line of it.
"""

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np


@cache
def plain_source(function: Callable[..., Any]) -> str:
    """Return the source of a function without its annotations and comments."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.returns = None
    definition.decorator_list = []
    definition.name = definition.name.removeprefix("_")
    for argument in definition.args.args:
        argument.annotation = None
    return ast.unparse(tree).replace("F.", "")


def as_written(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the package as if the reader had written it."""
    source = plain_source(function)
    names = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    names |= {name: getattr(names["F"], name) for name in ("softmax", "conv1d") if "F" in names}
    return run(source, function.__name__.removeprefix("_"), names)


def run(source: str, name: str, names: dict[str, Any] | None = None) -> Callable[..., Any]:
    """Run source text of this package, and return the function of that name. Never given a student's text."""
    file = f"<exercise {name} {abs(hash(source)):x}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    found: dict[str, Any] = {"np": np, **(names or {})}
    exec(compile(source, file, "exec"), found)
    made: Callable[..., Any] = found[name]
    return made


def named_signature(function: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """Give a function of `*args` parameters with names, so that findings name them."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in names]
    vars(function)["__signature__"] = inspect.Signature(parameters)
    return function
