"""The audit of all of NumPy's functions, and the documentation page that it generates.

A function is an *operation* (one record implements it), a *composition* (of operations: it is run, and its tape shows
which), a *constant* (it takes tensors, but its result has no derivative), a *maker* of arrays, *apart* (not a function
of an array's values), or *refused*, with the reason. One that fits none of these is *unclassified*; a test makes sure
that there is none, so that a new release of NumPy is noticed.

`python -m chainrule.check.audit.audit > docs/operations.md` writes the page.
"""

import functools
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule.rules  # registers every operation
from chainrule.core.creation import tensor
from chainrule.core.errors import GradientError
from chainrule.core.operands.protocols import functions, ufuncs
from chainrule.core.operation import REGISTRY
from chainrule.core.tensor import Tensor
from chainrule.core.traces.node import Leaf, Node
from chainrule.rules.arrays.bits import LOGICAL
from chainrule.rules.arrays.questions import QUESTIONS
from chainrule.rules.elementary.trigonometric import Tanh
from chainrule.rules.refused import REASONS

from .numpy_names import APART, FIRST_TRIES, KNOWN, MAKERS, TENSORS, TRIES

KINDS = {
    "operation": "has its own record, with its rules",
    "composition": "made of other operations, and differentiated through them",
    "constant": "takes tensors; its result is a constant for every derivative",
    "maker": "makes arrays of numbers, for use with tensors",
    "apart": "not a function of an array's values: shapes, dtypes, texts, settings",
    "refused": "raises a TypeError on tensors, with the reason",
    "unclassified": "not examined yet",
}
ITSELF = "the argument itself"
EXAMPLE = (
    "```python",
    ">>> import chainrule",
    ">>> from chainrule.core.operation import REGISTRY",
    '>>> print(REGISTRY["tanh"].formulas()["partial"])',
    Tanh.formulas()["partial"],
    "```",
)
MODULES = (("", np), ("linalg.", np.linalg), ("fft.", np.fft))


@dataclass(frozen=True)
class AuditEntry:
    """One NumPy function: its name without `np.`, its kind, and details."""

    name: str
    kind: str
    detail: str


@functools.cache
def audit() -> tuple[AuditEntry, ...]:
    """Return an entry for each function of `np`, `np.linalg` and `np.fft` in the installed release of NumPy.

    >>> by_name = {entry.name: entry for entry in audit()}
    >>> by_name["exp"]
    AuditEntry(name='exp', kind='operation', detail='exp')
    >>> by_name["ptp"]
    AuditEntry(name='ptp', kind='composition', detail='max, min, subtract')
    >>> by_name["argmax"].kind
    'constant'
    """
    return tuple(_entry(name, function) for name, function in numpy_functions())


def summary() -> dict[str, int]:
    """Return how many functions there are of each kind."""
    counts = Counter(entry.kind for entry in audit())
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def numpy_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield NumPy's public functions with their names; classes are not among them."""
    for prefix, module in MODULES:
        for name in sorted(dir(module)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # looking up a deprecated name gives a warning
                found = getattr(module, name, None)
            if not name.startswith("_") and callable(found) and not isinstance(found, type):
                yield prefix + name, found


def _entry(name: str, function: Callable[..., Any]) -> AuditEntry:
    if function in REASONS:
        return AuditEntry(name, "refused", REASONS[function])
    if name in KNOWN:
        return AuditEntry(name, "composition", KNOWN[name])
    implementation = (ufuncs if isinstance(function, np.ufunc) else functions).get(function)
    if implementation is not None:
        return _implemented(name, function, implementation)
    kind = "maker" if name in MAKERS else "apart" if name in APART else "unclassified"
    return AuditEntry(name, kind, "")


def _implemented(name: str, function: Callable[..., Any], implementation: Callable[..., Any]) -> AuditEntry:
    for record in REGISTRY.values():
        if record.apply is implementation:
            return AuditEntry(name, "constant" if record.kind == "constant" else "operation", record.name)
    if function in QUESTIONS or function in LOGICAL:
        return AuditEntry(name, "constant", "NumPy's own answer")
    found = _operations_of(name, function)
    if found is None:
        return AuditEntry(name, "unclassified", "no call succeeded: add one to TRIES")
    if found == {name.rpartition(".")[2]}:
        return AuditEntry(name, "operation", *found)
    return AuditEntry(name, "composition", ", ".join(sorted(found))) if found else AuditEntry(name, "constant", "")


def _operations_of(name: str, function: Callable[..., Any]) -> set[str] | None:
    """Return the operations on the tape of a call; none if its result is constant, None if no call succeeds."""
    succeeded = None
    for arguments in (TRIES[name],) if name in TRIES else FIRST_TRIES:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                y = function(*map(_with_tensors, arguments))
        except (TypeError, ValueError, IndexError, AttributeError, GradientError):
            continue
        succeeded = set[str]()
        found = _on_tape(y)
        if found:
            return found
    return succeeded


def _with_tensors(x: Any) -> Any:
    if isinstance(x, list):
        return [_with_tensors(item) for item in x]
    return tensor(x, requires_grad=True) if any(x is array for array in TENSORS) else x


def _on_tape(y: Any) -> set[str]:
    outputs = list(_tensors(y))
    if any(x.requires_grad and x.is_leaf for x in outputs):
        return {ITSELF}
    ahead = [x.node for x in outputs if x.node is not None]
    seen: dict[int, Node] = {}
    while ahead:
        node = ahead.pop()
        if id(node) not in seen and not isinstance(node, Leaf):
            seen[id(node)] = node
            ahead += [parent for parent in node.parents if parent is not None]
    return {node.name for node in seen.values()}


def _tensors(y: Any) -> Iterator[Tensor]:
    if isinstance(y, Tensor):
        yield y
    elif isinstance(y, tuple | list):
        for item in y:
            yield from _tensors(item)


def operations() -> list[tuple[str, str, str, str]]:
    """Return the name, kind, arguments and formula of each of chainrule's own operations."""
    own = {n: r for n, r in sorted(REGISTRY.items()) if r.__module__.startswith(f"{chainrule.rules.__name__}.")}
    return [(n, r.kind, ", ".join(r.arguments), r.formulas().get("primal", "")) for n, r in own.items()]


def page() -> str:
    """Return the page of all operations and all NumPy functions, as Markdown."""
    release = ".".join(np.__version__.split(".")[:2])
    rows = operations()
    lines = [
        "# Operations",
        "",
        "Generated by `python -m chainrule.check.audit.audit`; a test compares this page with the code.",
        "",
        "## chainrule's operations",
        "",
        f"{len(rows)} records. `chainrule info --operations` prints them; each record has the formulas of its rules.",
        "",
        *EXAMPLE,
        "",
        *_table(("operation", "kind", "arguments", "formula"), [(n, k, a, _code(f)) for n, k, a, f in rows]),
        "",
        f"## NumPy {release}'s functions",
        "",
        *_table(("kind", "functions", ""), [(kind, str(n), KINDS[kind]) for kind, n in summary().items()]),
        "",
        *_table(("function", "kind", ""), [(f"`np.{e.name}`", e.kind, e.detail) for e in audit()]),
    ]
    return "\n".join(lines) + "\n"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (header, ("---",) * len(header), *rows)]


def _code(formula: str) -> str:
    """Return LaTeX as code in a table cell, with bars escaped, since they would end the cell."""
    text = " ".join(formula.split()).replace("|", r"\|")
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    sys.stdout.write(page())
