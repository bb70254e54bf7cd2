"""The changes of one expression that undo what is often written wrong."""

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

LONG = 60
"""The most characters of an expression that is shown whole."""
Place = tuple[ast.AST, str, int | None]
"""Where a node stands: its parent, the field, and the position in a list."""


@dataclass(frozen=True)
class Edit:
    """One change: new nodes for some places, what it says of the mistake, and how far-fetched that is."""

    code: str
    what: str
    cost: float
    changes: Sequence[tuple[Place, Any]]
    written: str
    wanted: str
    line: int

    def apply(self) -> "Edit":
        """Make the change, and return the one that takes it back."""
        before = [(place, _at(place)) for place, _ in self.changes]
        for place, new in self.changes:
            _put(place, new)
        return Edit(self.code, self.what, self.cost, before, self.wanted, self.written, self.line)


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
    """An expression in its place, with what stands around it."""

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
        """Whether it counts places: within an index, a slice or the arguments of `range`."""
        child = self.node
        for node in self.above:
            if isinstance(node, ast.Slice) or (isinstance(node, ast.Subscript) and node.slice is child):
                return True
            if _calls(node, "range") and node.func is not child:  # type: ignore[attr-defined]
                return True
            child = node
        return False

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
        yield from _below(statement, [], statement)


def _below(node: ast.AST, above: list[ast.AST], statement: ast.AST) -> Iterator[Site]:
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
            yield from _below(child, chain, own)


def _calls(node: Any, *names: str) -> bool:
    """Whether a node is a call of one of these functions, or of a method of that name."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return getattr(called, "id", getattr(called, "attr", None)) in names


def edits(tree: Any) -> list[Edit]:
    """Return every change that is tried, the likeliest first."""
    atoms = _atoms(tree)
    found = [edit for site in sites(tree) for edit in _of_site(site, atoms)]
    found += [edit for statement in _statements(tree) for edit in _of_statement(statement)]
    return sorted(found, key=lambda e: e.cost)


def _statements(tree: Any) -> Iterator[tuple[ast.stmt, Place]]:
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                yield from ((s, (node, name, k)) for k, s in enumerate(value) if isinstance(s, ast.stmt))


def _atoms(tree: Any) -> list[ast.expr]:
    """Return the values that a function has names for: variables, attributes, entries of a cache."""
    found: dict[str, ast.expr] = {}
    arguments = tree.args
    for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        found[arg.arg] = ast.Name(arg.arg, ast.Load())
    calls = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = ast.Name(node.id, ast.Load())
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and id(node) not in calls:
            if node.value.id == "self":
                found[ast.unparse(node)] = ast.Attribute(node.value, node.attr, ast.Load())
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            found[ast.unparse(node)] = ast.Subscript(node.value, node.slice, ast.Load())
    return [node for name, node in found.items() if name != "self"]


def _edit(site: Site, code: str, what: str, cost: float, new: ast.expr) -> Edit:
    new = ast.copy_location(new, site.node)
    shown = _shown(site)
    before = ast.unparse(shown)
    _put(site.place, new)
    after = ast.unparse(_shown(site) if shown is not site.node else new)
    _put(site.place, site.node)
    return Edit(code, what, cost, [(site.place, new)], before, after, getattr(site.node, "lineno", 0))


def _shown(site: Site) -> ast.AST:
    """Return the expression around a change that says enough, and is short: up to what a statement assigns."""
    shown: ast.AST = site.node
    for above in site.above:
        if isinstance(above, ast.stmt | ast.Tuple | ast.Lambda | ast.comprehension):
            break
        if isinstance(above, ast.expr):
            if len(ast.unparse(above)) > LONG:
                break
            shown = above
    return shown


def _text(node: ast.AST) -> str:
    return ast.unparse(node)


def _of_site(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    yield from _comparisons(site, atoms)
    yield from _transposes(site)
    yield from _signs(site)
    yield from _axes(site)
    yield from _numbers(site)
    yield from _roots(site)
    yield from _operators(site)
    yield from _calls_changed(site)
    yield from _variables(site, atoms)
    yield from _added(site, atoms)
    yield from _windows(site, atoms)


COMPARISONS = {
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
}


def _comparisons(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    node = site.node
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        return
    for k, kind in enumerate(COMPARISONS.get(type(node.ops[0]), ())):
        what = "the mask takes the boundary wrongly" if k == 0 else "the mask takes the wrong side"
        yield _edit(site, "mask", what, 0.8 + 0.1 * k, ast.Compare(node.left, [kind()], node.comparators))
    for atom in atoms:
        if _text(atom) != _text(node.left):
            what = f"the mask is taken of {_text(node.left)} where {_text(atom)} is needed"
            yield _edit(site, "mask", what, 1.2, ast.Compare(atom, node.ops, node.comparators))


def _turned(node: Any) -> ast.expr:
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T", ast.Load())


def _transposes(site: Site) -> Iterator[Edit]:
    node, parent = site.node, site.parent
    in_product = (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.MatMult)) or _calls(
        parent, "dot", "matmul"
    )
    is_turned = isinstance(node, ast.Attribute) and node.attr == "T"
    if isinstance(node, ast.Name) and node.id in ("np", "numpy"):
        return
    if is_turned or (in_product and site.place[1] != "func"):
        new = _turned(node)
        what = f"{_text(node)} is used where {_text(new)} is needed"
        yield _edit(site, "transposed", what, 1.0, new)
    elif site.is_value:
        yield _edit(site, "transposed", "the result is transposed", 1.6, _turned(node))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        swapped = ast.BinOp(node.right, ast.MatMult(), node.left)
        yield _edit(site, "transposed", "the factors of the product are in the wrong order", 1.5, swapped)
    if isinstance(node, ast.Call) and _calls(node, "transpose", "swapaxes", "moveaxis", "permute"):
        value = (
            node.args[0] if isinstance(node.func, ast.Attribute) and _text(node.func.value) in ("np", "numpy") else None
        )
        value = value or (node.func.value if isinstance(node.func, ast.Attribute) else None)
        if value is not None:
            yield _edit(site, "axes-swapped", "the axes are exchanged where they must not be", 1.5, value)
    if _calls(node, "transpose") and any(isinstance(a, ast.Tuple) for a in node.args):
        k = next(k for k, a in enumerate(node.args) if isinstance(a, ast.Tuple))
        yield from _other_orders(site, node, k)


def _other_orders(site: Site, node: ast.Call, k: int) -> Iterator[Edit]:
    from itertools import permutations

    order = node.args[k]
    assert isinstance(order, ast.Tuple)
    for other in permutations(order.elts):
        args = [*node.args[:k], ast.Tuple(list(other), ast.Load()), *node.args[k + 1 :]]
        if list(other) != order.elts:
            yield _edit(
                site, "axes-swapped", "the axes are in the wrong order", 1.3, ast.Call(node.func, args, node.keywords)
            )


def _signs(site: Site) -> Iterator[Edit]:
    node = site.node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield _edit(site, "sign", f"the sign of {_text(node.operand)} is wrong", 0.9, node.operand)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        code, what = (
            ("shifted", "the place is off") if site.in_index else ("sign", f"the sign of {_text(node.right)} is wrong")
        )
        yield _edit(site, code, what, 1.0, ast.BinOp(node.left, other, node.right))
        if isinstance(node.op, ast.Sub):
            yield _edit(
                site,
                "sign",
                "the difference is taken the wrong way round",
                1.05,
                ast.BinOp(node.right, node.op, node.left),
            )
    if site.is_value and not (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)):
        yield _edit(site, "sign", "the sign is wrong", 1.1, ast.UnaryOp(ast.USub(), node))


AXES: tuple[Any, ...] = (0, 1, -1, 2, 3, None, (0, 1), (1, 2), (0, 2), (0, 2, 3), (0, 1, 2), (-2, -1))
SUMS = (
    "sum",
    "mean",
    "max",
    "min",
    "var",
    "std",
    "argmax",
    "argmin",
    "cumsum",
    "flip",
    "roll",
    "concatenate",
    "expand_dims",
    "prod",
)


def _axes(site: Site) -> Iterator[Edit]:
    node = site.node
    if not isinstance(node, ast.Call):
        return
    if _calls(node, *SUMS):
        yield from _other_axes(site, node)
    if not any(k.arg == "keepdims" for k in node.keywords):
        if _calls(node, *SUMS[:6]):
            with_kept = [*node.keywords, ast.keyword("keepdims", ast.Constant(True))]
            yield _edit(
                site, "broadcast-sum", "the summed axis is not kept", 1.4, ast.Call(node.func, node.args, with_kept)
            )
    else:
        without = [k for k in node.keywords if k.arg != "keepdims"]
        yield _edit(site, "broadcast-sum", "the summed axis is kept", 1.4, ast.Call(node.func, node.args, without))


def _other_axes(site: Site, node: ast.Call) -> Iterator[Edit]:
    is_method = isinstance(node.func, ast.Attribute) and _text(node.func.value) not in ("np", "numpy", "cr")
    position = 0 if is_method else 1
    given = next((k.value for k in node.keywords if k.arg == "axis"), None)
    positional = given is None and len(node.args) > position
    old = node.args[position] if positional else given
    what = "it is taken over the wrong axis" if old is not None else "it is taken over all axes"
    for axis in AXES:
        new = (
            ast.Constant(axis)
            if not isinstance(axis, tuple)
            else ast.Tuple([ast.Constant(k) for k in axis], ast.Load())
        )
        if old is not None and _text(new) == _text(old):
            continue
        args, keywords = list(node.args), [k for k in node.keywords if k.arg != "axis"]
        if positional:
            args[position] = new
        else:
            keywords = [ast.keyword("axis", new), *keywords]
        yield _edit(site, "axes-swapped", what, 1.2, ast.Call(node.func, args, keywords))


def _numbers(site: Site) -> Iterator[Edit]:
    node = site.node
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return
    if isinstance(site.parent, ast.keyword) and site.parent.arg in ("axis", "keepdims", "ddof"):
        return
    value = node.value
    if site.in_index:
        what = "the place is off by one"
        for new in (value + 1, value - 1):
            yield _edit(site, "shifted", what, 1.2, ast.Constant(new))
        return
    is_power = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Pow)
    what = "the exponent is wrong" if is_power else "the number is wrong"
    others = (value + 1, value - 1, 2 * value, value / 2, 1, 2, 3, 4, 0.5, 0, -value)
    for new in dict.fromkeys(int(n) if n == int(n) else n for n in others):
        if new != value:
            yield _edit(site, "factor", what, 1.3 + 0.02 * abs(new - value), ast.Constant(new))


def _roots(site: Site) -> Iterator[Edit]:
    """Change where a small number stands: under the root, or beside it."""
    node = site.node
    if _calls(node, "sqrt") and len(node.args) == 1 and isinstance(node.args[0], ast.BinOp):
        inner = node.args[0]
        if isinstance(inner.op, ast.Add):
            new = ast.BinOp(ast.Call(node.func, [inner.left], []), ast.Add(), inner.right)
            yield _edit(
                site, "epsilon", f"{_text(inner.right)} stands under the root where it must stand beside it", 1.0, new
            )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _calls(node.left, "sqrt"):
        root: Any = node.left
        new = ast.Call(root.func, [ast.BinOp(root.args[0], ast.Add(), node.right)], [])
        yield _edit(
            site, "epsilon", f"{_text(node.right)} stands beside the root where it must stand under it", 1.0, new
        )


OTHER_OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Mult: (ast.Div, ast.MatMult, ast.Add),
    ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Add: (ast.Mult,),
    ast.FloorDiv: (ast.Mod,),
    ast.Mod: (ast.FloorDiv,),
}


def _operators(site: Site) -> Iterator[Edit]:
    node = site.node
    if not isinstance(node, ast.BinOp):
        return
    left, right = _text(node.left), _text(node.right)
    for kind in OTHER_OPERATORS.get(type(node.op), ()):
        what = "the operation is the wrong one"
        yield _edit(site, "factor", what, 1.8, ast.BinOp(node.left, kind(), node.right))
    place = "stride" if site.in_index and isinstance(node.op, ast.Mult) else None
    if isinstance(node.op, ast.Mult | ast.MatMult):
        for gone, kept in ((right, node.left), (left, node.right)):
            code = place or "factor"
            yield _edit(site, code, f"the factor {gone} does not belong there", 1.5, kept)
    elif isinstance(node.op, ast.Div | ast.Pow):
        what = (
            f"the division by {right} does not belong there"
            if isinstance(node.op, ast.Div)
            else "the power does not belong there"
        )
        yield _edit(site, "factor", what, 1.5, node.left)
        if isinstance(node.op, ast.Div):
            yield _edit(site, "factor", "the quotient is upside down", 1.6, ast.BinOp(node.right, node.op, node.left))
    elif isinstance(node.op, ast.Add | ast.Sub):
        code = "shifted" if site.in_index else "missing-term"
        yield _edit(site, code, f"the term {right} does not belong there", 1.7, node.left)
        rest = node.right if isinstance(node.op, ast.Add) else ast.UnaryOp(ast.USub(), node.right)
        yield _edit(site, code, f"the term {left} does not belong there", 1.7, rest)


FUNCTIONS = (
    ("sum", "mean"),
    ("max", "min"),
    ("maximum", "minimum"),
    ("sin", "cos"),
    ("sinh", "cosh"),
    ("exp", "log"),
    ("tanh", "tan"),
    ("zeros_like", "ones_like"),
    ("sqrt", "square"),
    ("tril", "triu"),
    ("argmax", "argmin"),
    ("var", "std"),
    ("floor", "ceil"),
)


def _calls_changed(site: Site) -> Iterator[Edit]:
    node = site.node
    if not isinstance(node, ast.Call):
        return
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    for pair in FUNCTIONS:
        if name in pair:
            other = pair[1 - pair.index(name)]
            func: ast.expr = (
                ast.Attribute(node.func.value, other, ast.Load())
                if isinstance(node.func, ast.Attribute)
                else ast.Name(other, ast.Load())
            )
            yield _edit(
                site,
                "factor" if name in ("sum", "mean") else "wrong-point",
                f"{name} is taken where {other} is needed",
                1.4,
                ast.Call(func, node.args, node.keywords),
            )
    if len(node.args) == 1 and not isinstance(node.args[0], ast.Starred):
        yield _edit(site, "wrong-point", f"{name} does not belong there", 2.2, node.args[0])
    elif not node.args and isinstance(node.func, ast.Attribute):
        yield _edit(site, "wrong-point", f"{name} does not belong there", 2.2, node.func.value)
    if len(node.args) == 2 and name not in SUMS:
        swapped = ast.Call(node.func, node.args[::-1], node.keywords)
        yield _edit(site, "other-argument", f"the arguments of {name} are in the wrong order", 1.8, swapped)
    if len(node.args) == 3 and name == "where":
        a, b, c = node.args
        yield _edit(site, "mask", "the branches are exchanged", 1.2, ast.Call(node.func, [a, c, b], node.keywords))


def _variables(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    node = site.node
    text = _text(node)
    known = {_text(atom) for atom in atoms}
    if text not in known or (isinstance(site.parent, ast.Call) and site.place[1] == "func"):
        return
    in_mask = isinstance(site.parent, ast.Compare)
    for atom in atoms:
        if _text(atom) != text and not in_mask:
            code = "shifted" if site.in_index else "other-argument"
            yield _edit(site, code, f"{text} is used where {_text(atom)} is needed", 1.6, atom)


def _added(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Put in what may be missing: a factor, a term, a sum, a square."""
    node = site.node
    if site.in_index or isinstance(node, ast.Constant | ast.Tuple | ast.Slice | ast.keyword):
        return
    if isinstance(site.parent, ast.Attribute) or (isinstance(site.parent, ast.Call) and site.place[1] == "func"):
        return
    is_factor = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Mult | ast.Div)
    if site.is_value or is_factor or isinstance(node, ast.BinOp):
        for atom in atoms:
            name = _text(atom)
            if name == _text(node) and not site.is_value:
                continue
            yield _edit(site, "missing-term", f"the factor {name} is missing", 2.0, ast.BinOp(node, ast.Mult(), atom))
            yield _edit(
                site, "missing-term", f"the division by {name} is missing", 2.1, ast.BinOp(node, ast.Div(), atom)
            )
            yield _edit(site, "missing-term", f"the term {name} is missing", 2.2, ast.BinOp(node, ast.Add(), atom))
            yield _edit(site, "missing-term", f"the term {name} is missing", 2.2, ast.BinOp(node, ast.Sub(), atom))
            one_less = ast.BinOp(ast.Constant(1), ast.Sub(), atom)
            yield _edit(
                site, "missing-term", f"the factor 1 - {name} is missing", 2.3, ast.BinOp(node, ast.Mult(), one_less)
            )
            length = ast.Subscript(ast.Attribute(atom, "shape", ast.Load()), ast.Constant(0), ast.Load())
            yield _edit(
                site, "factor", f"the division by {name}.shape[0] is missing", 2.2, ast.BinOp(node, ast.Div(), length)
            )
    if is_factor or isinstance(site.parent, ast.BinOp):
        squared = ast.BinOp(node, ast.Pow(), ast.Constant(2))
        yield _edit(site, "missing-term", f"the square of {_text(node)} is needed", 1.9, squared)
        opposite = ast.BinOp(ast.Constant(1), ast.Sub(), node)
        yield _edit(site, "missing-term", f"1 - {_text(node)} is needed where {_text(node)} stands", 1.9, opposite)
    if site.is_value:
        for number, name in ((2, "2"), (0.5, "0.5")):
            yield _edit(
                site, "factor", f"the factor {name} is missing", 1.9, ast.BinOp(node, ast.Mult(), ast.Constant(number))
            )
        for axis in AXES[:4] + AXES[6:]:
            shown = (
                ast.Constant(axis)
                if not isinstance(axis, tuple)
                else ast.Tuple([ast.Constant(k) for k in axis], ast.Load())
            )
            total = ast.Call(ast.Attribute(node, "sum", ast.Load()), [], [ast.keyword("axis", shown)])
            yield _edit(site, "broadcast-sum", f"the sum over axis {axis} is missing", 1.7, total)
            kept = ast.Call(
                ast.Attribute(node, "sum", ast.Load()),
                [],
                [ast.keyword("axis", shown), ast.keyword("keepdims", ast.Constant(True))],
            )
            yield _edit(site, "broadcast-sum", f"the sum over axis {axis} is missing", 1.8, kept)


def _windows(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Change where a window begins: by a stride, a dilation, a padding, or one place."""
    node = site.node
    if isinstance(node, ast.Slice):
        yield from _slices(site, node)
    if not isinstance(node, ast.Name) or not site.in_index:
        return
    index = next(n for n in site.above if isinstance(n, ast.Subscript) or _calls(n, "range"))
    same = [s for s in _below(index, [], site.statement) if getattr(s.node, "id", "") == node.id]
    if isinstance(index, ast.Subscript):
        same = [s for s in same if s.node is not index.value]
    if not same or same[0].node is not node:
        return
    factors = [ast.Constant(2), ast.Constant(3), *(a for a in atoms if _text(a) != node.id)]
    for factor in factors:
        changes = [(s.place, ast.copy_location(ast.BinOp(s.node, ast.Mult(), factor), s.node)) for s in same]
        name = _text(factor)
        what = f"the window moves by 1 where it must move by {name}: the stride is missing"
        yield Edit("stride", what, 1.7, changes, node.id, f"{node.id} * {name}", node.lineno)
    for atom in [ast.Constant(1), *(a for a in atoms if _text(a) != node.id)]:
        for kind in (ast.Add, ast.Sub):
            new = ast.BinOp(node, kind(), atom)
            code = "shifted" if isinstance(atom, ast.Constant) else "padding"
            what = (
                "the place is off by one" if isinstance(atom, ast.Constant) else f"the window is off by {_text(atom)}"
            )
            yield _edit(site, code, what, 1.8, new)


def _slices(site: Site, node: ast.Slice) -> Iterator[Edit]:
    one, minus = ast.Constant(1), ast.UnaryOp(ast.USub(), ast.Constant(1))
    if node.upper is None and node.step is None and isinstance(node.lower, ast.Constant):
        yield _edit(site, "shifted", "the slice is the wrong end", 1.3, ast.Slice(None, minus, None))
        yield _edit(site, "shifted", "the slice begins too late", 1.4, ast.Slice(None, None, None))
    if node.lower is None and node.step is None and isinstance(node.upper, ast.UnaryOp):
        yield _edit(site, "shifted", "the slice is the wrong end", 1.3, ast.Slice(one, None, None))
        yield _edit(site, "shifted", "the slice ends too early", 1.4, ast.Slice(None, None, None))
    if node.step is not None:
        yield _edit(
            site,
            "axes-swapped",
            "the order is reversed where it must not be",
            1.4,
            ast.Slice(node.lower, node.upper, None),
        )


def _of_statement(found: tuple[ast.stmt, Place]) -> Iterator[Edit]:
    statement, place = found
    before = ast.unparse(statement)

    def made(code: str, what: str, cost: float, new: ast.stmt) -> Edit:
        new = ast.copy_location(new, statement)
        return Edit(
            code,
            what,
            cost,
            [(place, new)],
            before,
            ast.unparse(ast.fix_missing_locations(copy.deepcopy(new))),
            statement.lineno,
        )

    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Subscript):
            what = "a contribution is assigned where it must be added"
            yield made("partial", what, 1.1, ast.AugAssign(target, ast.Add(), statement.value))
    if isinstance(statement, ast.AugAssign):
        what = "a contribution is added where it must be assigned"
        yield made("accumulated-twice", what, 1.5, ast.Assign([statement.target], statement.value))
        other = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}.get(type(statement.op))
        if other is not None:
            code = "sign" if isinstance(statement.op, ast.Add | ast.Sub) else "factor"
            yield made(
                code,
                "the contribution has the wrong sign" if code == "sign" else "the operation is the wrong one",
                1.0,
                ast.AugAssign(statement.target, other(), statement.value),
            )
        if not isinstance(statement.target, ast.Subscript):
            yield made("factor", "the statement does not belong there", 2.0, ast.Pass())
