"""Submissions under `check`: their code is examined like the user's own, but every version of it runs in a box.

`check` looks for a change to the code that makes a gradient right. It compiles each changed version here, which runs
nothing; the version is then called in a box, and what it answers is compared with numerical derivatives here.
"""

import ast
import base64
import copy
import marshal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from chainrule.check.repairs.program import Definition, Program
from chainrule.check.subjects.functions import FunctionSubject
from chainrule.check.subjects.subject import Subject

from .box import Asked, Box, Limits, SubmissionError
from .wire import decode, encode

LIMITS = Limits(call=5.0, total=30.0)
"""What the box of the changed versions of one submission may use."""
STARTS = 3
"""How often it starts again where a version has ended it."""
Ask = Callable[[Asked, str], Callable[..., Any]]
"""Given a box and a name in it, the function `backward(y_bar, *args)`."""
Part = ast.FunctionDef | ast.ClassDef | ast.Assign


class Submitted(FunctionSubject):
    """A reference `f` at its arguments, with the backward pass of a submission, which is called as `backward`."""

    effort, longest, at_once = 4.0, 12.0, 100

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], backward: Callable[..., Any], source: Any) -> None:
        super().__init__(f, f, args, backward, None, backward)
        self._programs: Sequence[Boxed] = source

    def editable(self) -> Iterator[tuple[Any, Callable[[Any], Subject | None]]]:
        """Yield the functions of the submission that make up the backward pass."""

        def with_rule(rule: Callable[..., Any]) -> Subject:
            twin = copy.copy(self)
            twin.rule = rule
            return twin

        for program in self._programs:
            yield program, with_rule


class Version(Asked):
    """A changed version of a submission's function, as `backward(y_bar, *args)`."""

    def __init__(self, workshop: "Workshop", name: str, codes: tuple[str, ...]) -> None:
        self.workshop, self.name, self.codes = workshop, name, codes
        self.answers: dict[str, str] = {}

    def __call__(self, y_bar: Any, *args: Any) -> Any:
        """Run it in the box."""
        return self.workshop.backward(self, self.name)(y_bar, *args)

    def ask(self, request: dict[str, Any]) -> Any:
        """Return the version's answer. Raises SubmissionError where it has none."""
        key = encode(request)
        if key not in self.answers:
            self.workshop.run(self, key, request)
        if not self.answers.get(key):
            raise SubmissionError("answer", "this version has no answer")
        return decode(self.answers[key])


class Workshop:
    """A box for changed versions of a submission. It starts with the first, and again where a version has ended it.

    All versions that are waiting run together: asking one after the other would take most of the time.
    """

    def __init__(self, source: str, allowed: Sequence[str], backward: Ask) -> None:
        self.source, self.allowed, self.backward = source, allowed, backward
        self._versions: dict[tuple[str, ...], Version] = {}
        self._waiting: list[Version] = []
        self._box: Box | None = None
        self._starts = 0
        self._until = time.monotonic() + LIMITS.total

    def version(self, name: str, codes: tuple[str, ...]) -> Version:
        """Return a version, the same for the same code; a new one is waiting."""
        if codes not in self._versions:
            self._versions[codes] = Version(self, name, codes)
            self._waiting.append(self._versions[codes])
        return self._versions[codes]

    def run(self, version: Version, key: str, request: dict[str, Any]) -> None:
        """Answer a request for a version, and for those that are waiting. Raises SubmissionError."""
        if time.monotonic() > self._until:
            raise SubmissionError("time", "no time is left for further versions")
        together = self._waiting if version in self._waiting else [version]
        self._waiting = []
        try:
            codes = tuple(one.codes for one in together)
            found = self._started().ask({"kind": "versions", "of": version.name, "codes": codes, "request": request})
        except SubmissionError as error:
            if error.code in ("time", "ended"):
                self.close()
            raise
        if not isinstance(found, tuple) or len(found) != len(together):
            raise SubmissionError("answer", "the versions gave no results")
        for one, answer in zip(together, found, strict=True):
            one.answers[key] = str(answer)

    def _started(self) -> Box:
        if self._box is None:
            if self._starts == STARTS:
                raise SubmissionError("ended", "versions have ended their box too often")
            self._starts += 1
            self._box = Box(self.source, LIMITS, self.allowed)
            self._box.start()
        return self._box

    def close(self) -> None:
        """End the box."""
        if self._box is not None:
            self._box.close()
        self._box = None


class Boxed(Program):
    """A function or method of a submission, which runs together with all that it is called by or calls."""

    def __init__(
        self, tree: Definition, name: str, parts: Sequence[Part], space: Mapping[str, Any], workshop: Workshop
    ) -> None:
        self.tree, self.file, self.space = tree, "submission.py", space
        self.name = getattr(tree, "name", name)
        self._asked, self._parts, self._workshop = name, parts, workshop
        self._changed = next((part for part in parts if any(node is tree for node in ast.walk(part))), None)
        self._compiled: dict[Part, str] = {}

    def compiled(self) -> Callable[..., Any] | None:
        """Return the version that the tree says now, or None where that is no Python."""
        try:
            codes = tuple(self._code_of(part) for part in self._parts)
        except (SyntaxError, ValueError, TypeError, RecursionError):
            return None
        return self._workshop.version(self._asked, codes)

    def _code_of(self, part: Part) -> str:
        """Return a part compiled, as text; those that no edit changes are compiled once."""
        mine = part is self._changed
        if mine or part not in self._compiled:
            code = compile(ast.Module([part], []), self.file, "exec")
            text = base64.b64encode(marshal.dumps(code)).decode()
            if mine:
                return text
            self._compiled[part] = text
        return self._compiled[part]


def programs(source: str, name: str, workshop: Workshop) -> list[Boxed]:
    """Return the functions that make up the backward pass `name` of a submission, the outermost first.

    Of a class these are its methods without `__init__` and `forward`. None where `name` is defined in another way.
    """
    with suppress(SyntaxError, ValueError, RecursionError):
        tree = ast.parse(source)
        top = _defined(tree)
        if name in top:
            space = dict.fromkeys(_names(tree))
            parts = list(_called(top[name], top).values())
            return [Boxed(f, name, parts, space, workshop) for f in _edited(top[name], top)]
    return []


def _defined(tree: ast.Module) -> dict[str, Part]:
    """Return what a file defines: functions, also those written as a lambda, and classes."""
    found: dict[str, Part] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            found |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
    return found


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a file binds, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _edited(asked: Part, top: Mapping[str, Part]) -> list[Definition]:
    if not isinstance(asked, ast.ClassDef):
        return [f for part in _called(asked, top).values() for f in _functions(part)]
    methods = [m for m in asked.body if isinstance(m, ast.FunctionDef) and m.name not in ("__init__", "forward")]
    called = {id(part): part for method in methods for part in _called(method, top).values() if part is not method}
    return [*methods, *(f for part in called.values() for f in _functions(part))]


def _functions(part: Part) -> list[Definition]:
    if isinstance(part, ast.Assign):
        return [part.value] if isinstance(part.value, ast.Lambda) else []
    return [part] if isinstance(part, ast.FunctionDef) else []


def _called(asked: Part, top: Mapping[str, Part]) -> dict[int, Part]:
    """Return a part and those that it refers to, directly or not, in this order."""
    found, waiting = {id(asked): asked}, [asked]
    while waiting:
        for node in ast.walk(waiting.pop()):
            other = top.get(node.id) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else None
            if other is not None and id(other) not in found:
                found[id(other)] = other
                waiting.append(other)
    return found
