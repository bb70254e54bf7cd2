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

from .box import Box, Limits, SubmissionError

LONGEST = 8.0
"""Seconds for which changes are tried for one gradient."""
LIMITS = Limits(call=2.0, total=30.0)
"""What the box of the changed versions of one submission may use."""
STARTS = 3
"""How often it starts again where a version has ended it."""
VERSION = "version_of_a_submission"
Ask = Callable[[Box, str], Callable[..., Any]]
"""Given a box and a name in it, the function `backward(y_bar, *args)`."""
Part = ast.FunctionDef | ast.ClassDef | ast.Assign


class Submitted(FunctionSubject):
    """A reference `f` at its arguments, with the backward pass of a submission, which is called as `backward`."""

    longest = LONGEST

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


class Workshop:
    """A box for changed versions of a submission. It starts with the first, and again where a version has ended it."""

    def __init__(self, source: str, allowed: Sequence[str], ask: Ask) -> None:
        self.source, self.allowed, self.ask = source, allowed, ask
        self._box: Box | None = None
        self._inside: Version | None = None
        self._starts = 0
        self._until = time.monotonic() + LIMITS.total

    def run(self, version: "Version", y_bar: Any, args: Sequence[Any]) -> Any:
        """Call a version. Raises SubmissionError, as where no time is left."""
        if time.monotonic() > self._until:
            raise SubmissionError("time", "no time is left for further versions")
        box = self._started()
        try:
            if self._inside is not version:
                box.define(VERSION, version.name, version.code)
                self._inside = version
            return self.ask(box, VERSION)(y_bar, *args)
        except SubmissionError as error:
            if error.code in ("time", "ended"):
                self.close()
            raise

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
        self._box = self._inside = None


class Version:
    """A changed version of a submission's function, as `backward(y_bar, *args)`."""

    def __init__(self, workshop: Workshop, name: str, code: str) -> None:
        self.workshop, self.name, self.code = workshop, name, code

    def __call__(self, y_bar: Any, *args: Any) -> Any:
        """Run it in the box."""
        return self.workshop.run(self, y_bar, args)


class Boxed(Program):
    """A function or method of a submission, which runs together with all that it is called by or calls."""

    def __init__(
        self, tree: Definition, name: str, parts: Sequence[Part], space: Mapping[str, Any], workshop: Workshop
    ) -> None:
        self.tree, self.file, self.space = tree, "submission.py", space
        self.name = getattr(tree, "name", name)
        self._asked, self._parts, self._workshop = name, parts, workshop

    def compiled(self) -> Callable[..., Any] | None:
        """Return the version that the tree says now, or None where that is no Python."""
        try:
            code = compile(ast.Module(list(self._parts), []), self.file, "exec")
        except (SyntaxError, ValueError, TypeError, RecursionError):
            return None
        return Version(self._workshop, self._asked, base64.b64encode(marshal.dumps(code)).decode())


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
