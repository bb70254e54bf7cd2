"""A function's syntax tree, and the function compiled from a changed tree."""

import ast
import dis
import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType
from typing import Any

Definition = ast.FunctionDef | ast.Lambda


class Program(ABC):
    """A function under repair: its tree, which edits change, its file, its name, and the names that it can use."""

    tree: Definition
    file: str
    name: str
    space: Mapping[str, Any]

    @abstractmethod
    def compiled(self) -> Callable[..., Any] | None:
        """Return the function as the tree says now, or None where that is no function."""


class FunctionSource(Program):
    """The source of one Python function, which can be compiled again after a change to its tree.

    Raises ValueError if there is no source, or if it does not compile to this very function.
    """

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        try:
            lines, _ = inspect.findsource(function.__code__)
            module = ast.parse("".join(lines))
        except (OSError, TypeError, SyntaxError, IndentationError) as error:
            raise ValueError(f"{function.__name__}: no source") from error
        self.file, self.name = function.__code__.co_filename, function.__name__
        self.space = function.__globals__
        self.tree = self._found(module)
        self.body: list[ast.stmt] = self.tree.body if isinstance(self.tree, ast.FunctionDef) else []

    def _found(self, module: ast.Module) -> Definition:
        code = self.function.__code__
        for node in ast.walk(module):
            if not isinstance(node, ast.FunctionDef | ast.Lambda):
                continue
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            if first == code.co_firstlineno and getattr(node, "name", "<lambda>") == code.co_name:
                bare = _bare(node)
                made = self._code_of(bare)
                if made is not None and _signature(made) == _signature(code):
                    return bare
        raise ValueError(f"{code.co_name}: its source is not that of the function")

    def _code_of(self, node: Definition) -> CodeType | None:
        """Compile a definition inside an outer function that has its free variables."""
        free = self.function.__code__.co_freevars
        inner: list[ast.stmt] = [node] if isinstance(node, ast.FunctionDef) else [ast.Expr(node)]
        outer = ast.FunctionDef(
            name="outer",
            args=ast.arguments([], [ast.arg(n) for n in free], None, [], [], None, []),
            body=inner,
            decorator_list=[],
        )
        # An edit gives what it puts in its place in the file; the rest has one.
        for made_up in (outer, *outer.args.args, *(s for s in inner if s is not node)):
            ast.copy_location(made_up, node)
        try:
            with warnings.catch_warnings():  # what Python has to say of the user's code, it said when that was imported
                warnings.simplefilter("ignore", SyntaxWarning)
                made = compile(ast.Module([outer], []), self.file, "exec")
        except (SyntaxError, ValueError, TypeError, RecursionError):
            return None
        wrapper = next(c for c in made.co_consts if isinstance(c, CodeType))
        return next((c for c in wrapper.co_consts if isinstance(c, CodeType)), None)

    def compiled(self, space: dict[str, Any] | None = None) -> FunctionType | None:
        """Return the function compiled from the current tree, with other globals if given, or None."""
        code, old = self._code_of(self.tree), self.function
        if code is None:
            return None
        cells = dict(zip(old.__code__.co_freevars, old.__closure__ or (), strict=True))
        if any(name not in cells for name in code.co_freevars):
            return None
        closure = tuple(cells[name] for name in code.co_freevars)
        made = FunctionType(code, old.__globals__ if space is None else space, old.__name__, old.__defaults__, closure)
        made.__kwdefaults__ = old.__kwdefaults__
        return made


def _signature(code: CodeType) -> Any:
    """Return what two compilations of one source have in common; the code of a call depends on its surroundings."""
    operators = [i.argrepr for i in dis.get_instructions(code) if i.opname in ("BINARY_OP", "COMPARE_OP")]
    constants = [c for c in code.co_consts if not isinstance(c, CodeType)]
    return operators, code.co_names, code.co_varnames, repr(constants)


def _bare(node: Definition) -> Definition:
    """Remove what is evaluated at definition time, which has already happened."""
    if isinstance(node, ast.FunctionDef):
        node.decorator_list, node.returns = [], None
        for one in ast.walk(node.args):
            if isinstance(one, ast.arg):
                one.annotation = None
    node.args.defaults = [ast.Constant(None) for _ in node.args.defaults]
    node.args.kw_defaults = [None if d is None else ast.Constant(None) for d in node.args.kw_defaults]
    return ast.fix_missing_locations(node)
