"""The pages of the API reference, made from `__all__`, `tests/public_names.txt` and the docstrings."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from texts import words

from chainrule.core.operation import REGISTRY
from chainrule.present.texts import Words
from rules import page_of

PUBLIC_NAMES = Path(__file__).parents[2] / "tests" / "public_names.txt"
MODULES = (
    *("chainrule", "chainrule.check", "chainrule.compile", "chainrule.data", "chainrule.distributed"),
    *("chainrule.doctor", "chainrule.explain", "chainrule.explore", "chainrule.interop.jax", "chainrule.interop.onnx"),
    *("chainrule.interop.sklearn", "chainrule.interop.torch", "chainrule.learn", "chainrule.nn"),
    *("chainrule.nn.functional", "chainrule.nn.init", "chainrule.optim", "chainrule.optim.lr_scheduler"),
    *("chainrule.random", "chainrule.scipy.integrate", "chainrule.scipy.linalg", "chainrule.scipy.optimize"),
    *("chainrule.scipy.signal", "chainrule.scipy.sparse", "chainrule.special", "chainrule.stats", "chainrule.train"),
)
"""Modules with a page each. `chainrule.numpy` and `chainrule.scipy.fft` have the names of NumPy and SciPy."""

_ROLE = re.compile(r":\w+:`~?([^`]*)`")
_DOCTEST = re.compile(r"^( *)>>> ", re.MULTILINE)


def names_of(module_name: str) -> list[str]:
    """Return the public names of a module: `__all__` or what it defines, and those of the last release.

    >>> {"grad", "tensor"} <= set(names_of("chainrule")), "kaiming" in names_of("chainrule.nn.init")
    (True, True)
    """
    module = importlib.import_module(module_name)
    declared = getattr(module, "__all__", None)
    if declared is None:
        declared = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module_name]
    released = (line.rpartition(":") for line in PUBLIC_NAMES.read_text(encoding="utf-8").split())
    found = {*declared, *(name for owner, _, name in released if owner == module_name)}
    return sorted((name for name in found if not name.startswith("_") and is_own(module, name)), key=str.lower)


def is_own(module: ModuleType, name: str) -> bool:
    """Whether a name is not that of another library's module, such as `np`, which some modules import.

    >>> import chainrule.nn.init
    >>> is_own(chainrule.nn.init, "np"), is_own(chainrule.nn.init, "xavier")
    (False, True)
    """
    value = getattr(module, name)
    return not isinstance(value, ModuleType) or value.__name__.startswith("chainrule")


def pages(lang: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every page of the reference."""
    say = words(lang)
    rows = [f"# {say['api']}\n", f"{say['api intro']}\n", f"| {say['page']} | |", "|---|---|"]
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        yield f"api/{module_name}", _page(say, module_name, module)
        rows.append(f"| [{module_name}]({module_name}.md) | {_first_line(module)} |")
    toctree = "\n".join(MODULES)
    yield "api/index", "\n".join(rows) + f"\n\n```{{toctree}}\n:hidden:\n\n{toctree}\n```\n"


def _first_line(module: ModuleType) -> str:
    return markdown_of((inspect.getdoc(module) or "").partition("\n\n")[0]).replace("\n", " ").replace("|", "\\|")


def _page(say: Words, module_name: str, module: ModuleType) -> str:
    head = f"# {module_name}\n\n```{{py:module}} {module_name}\n```\n\n{_first_line(module)}\n"
    return head + "\n" + "\n".join(_entry(say, module_name, name) for name in names_of(module_name))


def _entry(say: Words, module_name: str, name: str) -> str:
    value = getattr(importlib.import_module(module_name), name)
    full = f"{module_name}.{name}"
    if isinstance(value, ModuleType):
        function = getattr(value, name, None)
        if not callable(function):
            link = f" [{full}]({full}.md)" if full in MODULES else ""
            return _directive("data", name, f":no-index:\n\n{_first_line(value)}{link}")
        return _directive("function", name + signature_of(function), f":no-index:\n\n{_doc(say, function)}")
    if isinstance(value, type):
        return _class(say, name, value)
    if callable(value):
        return _directive("function", name + signature_of(value), _doc(say, value))
    return _directive("data", name, f"`{value!r}`"[:100] if isinstance(value, str | int | float) else "")


def _class(say: Words, name: str, value: type) -> str:
    members = []
    for member_name, member in sorted(vars(value).items()):
        documented = not member_name.startswith("_") and inspect.getdoc(member)
        if documented and isinstance(member, property):
            members.append(_directive("property", member_name, markdown_of(inspect.getdoc(member) or ""), 1))
        elif documented and (isinstance(member, classmethod | staticmethod) or inspect.isfunction(member)):
            function = inspect.unwrap(getattr(member, "__func__", member))
            bound = not isinstance(member, staticmethod)
            members.append(_directive("method", member_name + signature_of(function, bound), _doc(say, function), 1))
    kind = "exception" if issubclass(value, BaseException) else "class"
    signature = "" if kind == "exception" else signature_of(value)
    return _directive(kind, name + signature, _doc(say, value) + "\n\n" + "\n".join(members))


def _directive(kind: str, head: str, body: str, depth: int = 0) -> str:
    fence = "`" * (8 - 2 * depth)
    gap = "" if body.startswith(":no-index:") else "\n"
    return f"{fence}{{py:{kind}}} {head}\n{gap}{body.strip()}\n{fence}\n"


def _doc(say: Words, value: Any) -> str:
    record = next((record for record in REGISTRY.values() if record.apply is value), None)
    text = markdown_of(inspect.getdoc(value) or "")
    if record is None:
        return text
    link = say("see rule", link=f"../{page_of(record.name)}")
    return f"{text or '$' + record.formulas()['primal'] + '$'}\n\n{link}"


def signature_of(value: Any, bound: bool = False) -> str:
    """Return a signature that can be parsed, without annotations: the docstring says what an argument may be.

    >>> def f(a, *, b: int = 1, c=len): ...
    >>> signature_of(f)
    '(a, *, b=1, c=len)'
    """
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    parameters = list(signature.parameters.values())[bound:]
    plain = [
        parameter.replace(annotation=parameter.empty, default=_Default.of(parameter.default))
        for parameter in parameters
    ]
    text = str(signature.replace(parameters=plain, return_annotation=signature.empty))
    ast.parse(f"def f{text}: ...")
    return text


class _Default:
    """A default as it can be written in a signature."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    @classmethod
    def of(cls, value: Any) -> Any:
        if value is inspect.Parameter.empty:
            return value
        text = getattr(value, "__name__", None) or repr(value)
        try:
            ast.parse(text)
        except SyntaxError:
            return cls("...")
        return cls(text)


def markdown_of(docstring: str) -> str:
    r"""Return a docstring as Markdown: examples become blocks of code, references names.

    >>> markdown_of("One of :func:`f`.\n\n>>> f(1)\n2\n")
    'One of `f`.\n\n```python\n>>> f(1)\n2\n```'
    """
    parts = []
    for paragraph in _ROLE.sub(r"`\1`", docstring).strip().split("\n\n"):
        at = _DOCTEST.search(paragraph)
        if at is None:
            parts.append(re.sub(r"::$", ":", paragraph))
            continue
        before, code = paragraph[: at.start()].rstrip(), inspect.cleandoc(paragraph[at.start() :])
        parts += [before] * bool(before)
        parts.append(f"```python\n{code}\n```")
    return "\n\n".join(parts)
