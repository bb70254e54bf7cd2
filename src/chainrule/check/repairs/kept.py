"""What a forward pass keeps for the backward pass, as attributes of the layer or of the context."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

FORWARD = ("forward", "__call__", "setup_context", "call", "fprop")
"""What the methods are called that run before the backward pass."""


def unread_attributes(function: FunctionType, holder: Any) -> list[str]:
    """Return the attributes that a forward pass sets and this function of its class does not read, as `self.x`.

    `holder` is the layer or the class under check, if it is one; else the class is looked up by the function's name.
    """
    first = next(iter(function.__code__.co_varnames[: function.__code__.co_argcount]), "")
    owner = _class_of(function, holder)
    if owner is None or first not in ("self", "ctx"):
        return []
    methods = {name: getattr(m, "__func__", m) for cls in reversed(owner.__mro__) for name, m in vars(cls).items()}
    users = {name: m for name, m in methods.items() if isinstance(m, FunctionType)}
    forward = [users[name] for name in FORWARD if name in users]
    forward = forward or [m for m in users.values() if m.__code__ is not function.__code__]
    kept = [attribute for method in forward for attribute in _set_by(method)]
    return [f"{first}.{attribute}" for attribute in dict.fromkeys(kept) if attribute not in function.__code__.co_names]


def _class_of(function: FunctionType, holder: Any) -> type | None:
    found = function.__globals__.get(function.__qualname__.partition(".")[0])
    if inspect.isclass(found) and "." in function.__qualname__:
        return found
    owner = holder if inspect.isclass(holder) else type(holder)
    return owner if hasattr(owner, "backward") else None


def _set_by(method: Any) -> Iterator[str]:
    """Yield the attributes of its first argument that a method sets."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):  # none, or not written in Python
        return
    if not isinstance(tree, ast.FunctionDef) or not tree.args.args:
        return
    first = tree.args.args[0].arg
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Store):
            continue
        if isinstance(node.value, ast.Name) and node.value.id == first:
            yield node.attr
