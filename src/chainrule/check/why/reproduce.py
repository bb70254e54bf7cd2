"""The smallest input at which a gradient is still wrong, as Python code."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.check.subjects.functions import FunctionSubject
from chainrule.check.subjects.subject import Subject
from chainrule.core.custom import Custom
from chainrule.core.operation import REGISTRY

from .locate import OperationSubject, verdict_on

SMALL_SIZES = (1, 2, 3, 4, 5, 8)
"""The axis lengths to try, smallest first."""
SECONDS = 3.0
"""After this many seconds no shorter axis is tried."""
DIGITS = 60
"""The most elements of an array that is written out."""


def smallest(subject: Subject, argument: str, seed: int) -> Subject:
    """Shorten the axes of a subject, longest first, as long as the gradient of the argument stays wrong."""
    sizes: dict[int, int] = {}
    best = subject
    end = time.perf_counter() + SECONDS
    for n in sorted(subject.sizes(), reverse=True):
        for short in SMALL_SIZES:
            if short >= n or time.perf_counter() > end:
                break
            try:
                trial = subject.reduced({**sizes, n: short})
            except Exception:
                trial = None
            if trial is not None and argument in trial.arguments and verdict_on(trial, seed, argument) == "wrong":
                sizes[n] = short
                best = trial
                break
    return best


def text_of(subject: Subject, seed: int) -> str:
    """Return Python code that checks the subject, or an empty string if it cannot be written."""
    if isinstance(subject, OperationSubject):
        call, imports, args = _of_operation(subject)
    elif isinstance(subject, FunctionSubject):
        call, imports, args = _of_function(subject)
    else:
        return subject.code()
    if any(_literal(x) is None for x in args.values()):
        return ""
    lines = ["import numpy as np", "import chainrule as cr", *imports]
    lines += [f"{name} = {_literal(x)}" for name, x in args.items()]
    lines.append(f"print(cr.check({call.format(', '.join(args))}, seed={seed}))")
    return "\n".join(lines)


def _of_operation(subject: OperationSubject) -> tuple[str, list[str], dict[str, Any]]:
    op, settings = subject.op, subject.recorded.settings
    if isinstance(op, Custom):
        imports, name = _imported(op, op.name)
    elif op.name in REGISTRY:
        imports, name = ["from chainrule.core.operation import REGISTRY"], f"REGISTRY[{op.name!r}].apply"
    else:
        imports, name = [f"from {op.__module__} import {op.__qualname__}"], f"{op.__qualname__}.apply"
    given = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    args = {_identifier(name): x for name, x in zip(subject.names, subject.inputs, strict=False)}
    if given or any(x is None for x in args.values()):
        return f"lambda {', '.join(args)}: {name}({', '.join(args)}{given and ', '}{given}), {{}}", imports, args
    return f"{name}, {{}}", imports, args


def _of_function(subject: FunctionSubject) -> tuple[str, list[str], dict[str, Any]]:
    imports, name = _imported(subject.called, subject.name)
    extra = ""
    if subject.rule is not None and not isinstance(subject.called, Custom):
        more, backward = _imported(subject.rule, subject.backward_name, "backward")
        imports += more
        extra = f", backward={backward}"
    return f"{name}, {{}}{extra}", imports, {_identifier(n): x for n, x in subject.named_arguments().items()}


def _imported(function: Callable[..., Any], name: str, otherwise: str = "f") -> tuple[list[str], str]:
    """Return the lines that import a function, and its name there."""
    module, path = getattr(function, "__module__", ""), getattr(function, "__qualname__", name)
    if module and module != "__main__" and path.isidentifier():
        return [f"from {module} import {path}"], path
    code = getattr(getattr(function, "function", function), "__code__", None)
    place = f", {code.co_filename}:{code.co_firstlineno}" if code else ""
    shown = name if name.isidentifier() else otherwise
    return [f"# {shown}: {path}{place}"], shown


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).strip("_") or "x"


def _literal(x: Any) -> str | None:
    """Return a value as Python code, or None if it is too long or cannot be written."""
    if isinstance(x, np.ndarray | np.generic):
        if x.size > DIGITS:
            return None
        dtype = "" if x.dtype in (np.float64, np.int64) else f", dtype=np.{x.dtype}"
        return f"np.array({x.tolist()!r}{dtype})"
    return repr(x) if isinstance(x, int | float | str | None.__class__ | tuple | list | slice) else None
