"""The expressions of a function in their places, and changes to them."""

import ast
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

LONG = 60
"""The most characters of an expression that is shown whole."""
OWNERS = ("self", "ctx")
"""What holds the values that a backward pass keeps: its own attributes are values, itself it is none."""
NO_VALUES = ("T", "mT", "shape", "size", "ndim", "dtype", "device")
"""Attributes of a value that are no values of a backward pass by themselves."""
Place = tuple[ast.AST, str, int | None]
"""The place of a node: its parent, the field, and the position in a list."""


@dataclass(frozen=True)
class Edit:
    """One change: new nodes for some places, what it says about the mistake, and how far-fetched that is.

    `texts` gives what is written and what is wanted. Of thousands of changes only the few that are named are written
    out, which takes longer than trying them.
    """

    code: str
    what: str
    cost: float
    changes: Sequence[tuple[Place, Any]]
    line: int
    texts: Callable[[], tuple[str, str]] = lambda: ("", "")
    column: int = 0

    @cached_property
    def _texts(self) -> tuple[str, str]:
        return self.texts()

    @property
    def written(self) -> str:
        """The expression that is there."""
        return self._texts[0]

    @property
    def wanted(self) -> str:
        """The one in its place."""
        return self._texts[1]

    @property
    def key(self) -> tuple[Any, ...]:
        """What the same change to another tree of the same function has as well."""
        return self.line, self.column, self.code, self.what, self.cost

    def changed(self, factor: float, shift: float) -> "Edit | None":
        """Return the change with all that it puts in scaled and shifted; None where that is no expression."""
        if not all(isinstance(new, ast.expr) for _, new in self.changes):
            return None

        def moved(new: Any) -> ast.expr:
            scaled = ast.BinOp(new, ast.Mult(), ast.Constant(factor))
            return ast.copy_location(ast.BinOp(scaled, ast.Add(), ast.Constant(shift)), new)

        return Edit(self.code, self.what, self.cost, [(place, moved(new)) for place, new in self.changes], self.line)

    def apply(self) -> "Edit":
        """Make the change, and return the one that undoes it."""
        before = [(place, _at(place)) for place, _ in self.changes]
        for place, new in self.changes:
            _put(place, ast.fix_missing_locations(new) if isinstance(new, ast.AST) else new)
        return Edit(self.code, self.what, self.cost, before, self.line)


def _at(place: Place) -> Any:
    parent, name, k = place
    found = getattr(parent, name)
    return found if k is None else found[k]


def _put(place: Place, new: Any) -> None:
    parent, name, k = place
    if k is None:
        setattr(parent, name, new)
    else:
        getattr(parent, name)[k] = new


@dataclass
class Site:
    """An expression in its place, with its surroundings."""

    node: Any
    place: Place
    statement: ast.AST
    above: list[ast.AST] = field(default_factory=list)

    @property
    def parent(self) -> ast.AST:
        """The node that holds it."""
        return self.place[0]

    @property
    def in_index(self) -> bool:
        """Whether it is a position: within an index, a slice or the arguments of `range`."""
        child = self.node
        for node in self.above:
            if isinstance(node, ast.Slice) or (isinstance(node, ast.Subscript) and node.slice is child):
                return True
            if calls(node, "range") and node.func is not child:  # type: ignore[attr-defined]
                return True
            child = node
        return False

    @property
    def in_loop_head(self) -> bool:
        """Whether it decides how long a loop runs, other than by a `range`: with a change the loop might never end."""
        child = self.node
        for node in self.above:
            if isinstance(node, ast.For | ast.comprehension) and node.iter is child:
                return not self.in_index
            if isinstance(node, ast.While) and node.test is child:
                return True
            child = node
        return False

    @property
    def in_sum(self) -> bool:
        """Whether it is what a sum or a mean is taken of, in `a.sum()` or `np.sum(a)`."""
        call = self.above[1] if isinstance(self.parent, ast.Attribute) and len(self.above) > 1 else self.parent
        if not calls(call, "sum", "mean"):
            return False
        return self.parent is not call or (self.place[1] == "args" and self.place[2] == 0)

    @property
    def in_mask(self) -> bool:
        """Whether it is compared: a bound of a mask, or a part of one."""
        return any(isinstance(node, ast.Compare) for node in self.above) and not self.in_index

    @property
    def loops(self) -> list[str]:
        """The variables of the loops around it, the outermost first."""
        found = [node.target for node in self.above if isinstance(node, ast.For | ast.comprehension)]
        return [target.id for target in reversed(found) if isinstance(target, ast.Name)]

    @property
    def is_value(self) -> bool:
        """Whether it is all that a statement assigns or returns, or one of several that it returns."""
        if isinstance(self.parent, ast.Assign | ast.AugAssign | ast.Return | ast.Lambda):
            return self.place[1] in ("value", "body") and not isinstance(self.node, ast.Tuple)
        return isinstance(self.parent, ast.Tuple) and isinstance(self.above[1], ast.Return | ast.Lambda)


def sites(tree: ast.AST) -> Iterator[Site]:
    """Yield every expression of a function that is read, in order."""
    body = tree.body if isinstance(tree, ast.FunctionDef) else [tree]
    for statement in body:
        yield from below(statement, [], statement)


def below(node: ast.AST, above: list[ast.AST], statement: ast.AST) -> Iterator[Site]:
    """Yield every expression below a node, with its ancestors."""
    own = node if isinstance(node, ast.stmt) else statement
    chain = [node, *above]
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            children: list[tuple[int | None, Any]] = [(None, value)]
        else:
            children = list(enumerate(value)) if isinstance(value, list) else []
        for k, child in children:
            if not isinstance(child, ast.AST) or isinstance(child, ast.arguments):
                continue
            if isinstance(child, ast.expr) and not isinstance(getattr(child, "ctx", None), ast.Store | ast.Del):
                yield Site(child, (node, name, k), own, chain)
            yield from below(child, chain, own)


def calls(node: Any, *names: str) -> bool:
    """Whether a node is a call of one of these functions, or of a method of that name."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return getattr(called, "id", getattr(called, "attr", None)) in names


def atoms_of(tree: Any) -> list[ast.expr]:
    """Return the values that a function has names for: variables, attributes, entries of a cache."""
    found: dict[str, ast.expr] = {}
    arguments = tree.args
    for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        found[arg.arg] = ast.Name(arg.arg, ast.Load())
    calls = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = ast.Name(node.id, ast.Load())
        elif isinstance(node, ast.Attribute) and id(node) not in calls and node.attr not in NO_VALUES:
            if is_held(node.value):
                found[ast.unparse(node)] = ast.Attribute(node.value, node.attr, ast.Load())
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            found[ast.unparse(node)] = ast.Subscript(node.value, node.slice, ast.Load())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    # What is nowhere used comes first: of several that would do, it is the one that was forgotten.
    names = sorted(
        (name for name in found if name not in OWNERS), key=lambda name: not name.isidentifier() or name in used
    )
    # Copies: a change inside the tree must not change what is put into it.
    return [copy.deepcopy(found[name]) for name in names]


def is_held(node: ast.expr) -> bool:
    """Whether it is what holds a backward pass's values, or one of its attributes, such as `self.state`."""
    inner = node.value if isinstance(node, ast.Attribute) else node
    return isinstance(inner, ast.Name) and inner.id in OWNERS


def edit_at(site: Site, code: str, what: str, cost: float, new: ast.expr) -> Edit:
    """Return the change that puts a new expression into a place, with both texts."""
    new = ast.copy_location(new, site.node)

    def texts() -> tuple[str, str]:
        shown = _shown(site)
        before = ast.unparse(shown)
        _put(site.place, new)
        after = ast.unparse(_plain(shown if shown is not site.node else new, new))
        _put(site.place, site.node)
        return before, after

    line, column = getattr(site.node, "lineno", 0), getattr(site.node, "col_offset", 0)
    return Edit(code, what, cost, [(site.place, new)], line, texts, column)


class _WithoutZeros(ast.NodeTransformer):
    """Takes `a` for `a - 0` and `a + 0`."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        nothing = isinstance(node.op, ast.Add | ast.Sub) and text_of(node.right) == "0"
        return node.left if nothing else node


class _WithoutTwoSigns(ast.NodeTransformer):
    """Takes `a` for `--a`."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        text = text_of(node.operand)
        twice = (
            isinstance(node.op, ast.USub) and isinstance(node.operand, ast.UnaryOp | ast.Constant) and text[0] == "-"
        )
        return ast.parse(text[1:], mode="eval").body if twice else node


def _plain(shown: ast.AST, new: ast.expr) -> ast.AST:
    """Return an expression as one writes it; `new` is what is changed in it."""
    is_zero = isinstance(new, ast.Constant) and new.value == 0 and new is not shown
    is_negative = text_of(new).startswith("-") and new is not shown
    plainer = _WithoutZeros() if is_zero else _WithoutTwoSigns() if is_negative else None
    return shown if plainer is None else plainer.visit(copy.deepcopy(shown))


def _shown(site: Site) -> ast.AST:
    """Return a short but sufficient expression around a change, at most the value that a statement assigns."""
    shown: ast.AST = site.node
    for above in site.above:
        if isinstance(above, ast.stmt | ast.Tuple | ast.Lambda | ast.comprehension):
            break
        if isinstance(above, ast.expr):
            if len(ast.unparse(above)) > LONG:
                break
            if not isinstance(above, ast.Attribute):  # a method is shown with its call, or not at all
                shown = above
    return shown


def text_of(node: ast.AST) -> str:
    """Return the text of an expression, which stays what it was when it was first asked for."""
    known: str | None = getattr(node, "_text", None)
    if known is None:
        known = ast.unparse(node)
        node._text = known  # type: ignore[attr-defined]
    return known
