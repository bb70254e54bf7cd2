"""Things that are there but wrong: a comparison, a transpose, a sign, an axis, a number, an operator."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, permutations
from typing import Any

from .sites import Edit, Site, calls, edit_at, sites, text_of

IDLE = 0.15
"""How much likelier a number is wrong that does nothing."""
AXIS = ("axis", "axes", "dim", "dims")
"""How a parameter that chooses axes is called."""
KEPT = ("keepdims", "keepdim")
"""How a parameter that keeps summed axes is called."""
LIBRARIES = ("np", "numpy", "cr", "torch", "jnp", "F")
"""What libraries are called: a call by these names is no method of a value."""
ODD = ("exp", "expm1", "exp2", "log1p", "sigmoid", "softplus", "sqrt", "sin", "tanh", "softmax", "erf")
"""Functions whose value at −x is another than at x."""
MOST_AXES = 4
"""The most axes of which all orders are tried, where they are the arguments themselves."""
COMPARISONS = {
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
}


def comparisons(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Change which side of a mask is taken, whether it includes the boundary, and what is compared."""
    node = site.node
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        return
    if isinstance(node.ops[0], (ast.Eq, ast.NotEq, *COMPARISONS)):
        for operator, value in ((ast.BitAnd(), False), (ast.BitOr(), True)):
            what = f"the mask {text_of(node)} does not belong there"
            yield edit_at(site, "mask", what, 1.0, ast.BinOp(node, operator, ast.Constant(value)))
    for k, kind in enumerate(COMPARISONS.get(type(node.ops[0]), ())):
        what = "the mask takes the boundary wrongly" if k == 0 else "the mask takes the wrong side"
        yield edit_at(site, "mask", what, 0.8 + 0.1 * k, ast.Compare(node.left, [kind()], node.comparators))
    for atom in atoms:
        if text_of(atom) != text_of(node.left):
            what = f"the mask is computed from {text_of(node.left)} where {text_of(atom)} is needed"
            yield edit_at(site, "mask", what, 1.2, ast.Compare(atom, node.ops, node.comparators))
    yield from _bounds(site, node, atoms)


def _bounds(site: Site, node: ast.Compare, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Compare with another number, or with another variable."""
    bound = node.comparators[0]
    if isinstance(bound, ast.Constant) and isinstance(bound.value, int | float) and bound.value is not True:
        for other in dict.fromkeys((0, bound.value + 1, bound.value - 1)):
            if other != bound.value:
                new = ast.Compare(node.left, node.ops, [ast.Constant(other)])
                yield edit_at(site, "mask", "the bound of the mask is wrong", 0.85, new)
    for atom in atoms if isinstance(bound, ast.Name | ast.Attribute) else ():
        if text_of(atom) not in (text_of(bound), text_of(node.left)):
            what = f"the mask compares with {text_of(bound)} where {text_of(atom)} is needed"
            yield edit_at(site, "mask", what, 1.25, ast.Compare(node.left, node.ops, [atom]))


SMALL = (1e-5, 1e-8, 1e-6, 1e-3, 1e-12)
"""What is usually added under a root."""


def sides(site: Site, small: Sequence[float] = ()) -> Iterator[Edit]:
    """Give a mask the side that it lacks: `x < 1` where `-1 < x < 1` is needed."""
    node = site.node
    if not isinstance(node, ast.Compare) or type(node.ops[0]) not in COMPARISONS or len(node.ops) != 1:
        return
    bound, opposite = node.comparators[0], COMPARISONS[type(node.ops[0])][1]
    others = [ast.Constant(value) for value in (0, 1, *small)] + [ast.UnaryOp(ast.USub(), bound)]
    for other in others:
        if text_of(other) != text_of(bound):
            side = ast.Compare(node.left, [opposite()], [other])
            what = f"the mask lacks its other side, {text_of(side)}"
            yield edit_at(site, "mask", what, 1.9, ast.BinOp(node, ast.BitAnd(), side))


def _turned(node: Any) -> ast.expr:
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T", ast.Load())


def transposes(site: Site) -> Iterator[Edit]:
    """Transpose a factor of a product, or change the order of axes."""
    node, parent = site.node, site.parent
    in_product = (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.MatMult)) or calls(
        parent, "dot", "matmul"
    )
    is_turned = isinstance(node, ast.Attribute) and node.attr == "T"
    if isinstance(node, ast.Name) and node.id in LIBRARIES:
        return
    if is_turned or (in_product and site.place[1] != "func"):
        new = _turned(node)
        what = f"{text_of(node)} is used where {text_of(new)} is needed"
        yield edit_at(site, "transposed", what, 1.0, new)
        if not is_turned:  # of a stack of matrices, T turns the stack as well
            ends: list[ast.expr] = [ast.UnaryOp(ast.USub(), ast.Constant(k)) for k in (1, 2)]
            each = ast.Call(ast.Attribute(node, "swapaxes", ast.Load()), ends, [])
            what = f"{text_of(node)} is used where {text_of(each)} is needed"
            yield edit_at(site, "transposed", what, 1.15, each)
    elif site.is_value:
        yield edit_at(site, "transposed", "the result is transposed", 1.6, _turned(node))
    elif isinstance(parent, ast.BinOp) and isinstance(node, ast.Name | ast.Attribute) and not site.in_index:
        new = _turned(node)
        yield edit_at(site, "transposed", f"{text_of(node)} is used where {text_of(new)} is needed", 1.65, new)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        swapped = ast.BinOp(node.right, ast.MatMult(), node.left)
        yield edit_at(site, "transposed", "the factors of the product are in the wrong order", 1.5, swapped)
    if isinstance(node, ast.Call) and calls(node, "transpose", "swapaxes", "moveaxis", "permute"):
        value = node.args[0] if isinstance(node.func, ast.Attribute) and text_of(node.func.value) in LIBRARIES else None
        value = value or (node.func.value if isinstance(node.func, ast.Attribute) else None)
        if value is not None:
            yield edit_at(site, "axes-swapped", "the axes are swapped where they must not be", 1.5, value)
    if calls(node, "transpose") and any(isinstance(a, ast.Tuple) for a in node.args):
        k = next(k for k, a in enumerate(node.args) if isinstance(a, ast.Tuple))
        order = node.args[k]
        assert isinstance(order, ast.Tuple)
        for other in permutations(order.elts):
            yield from _in_order(site, node, [*node.args[:k], ast.Tuple(list(other), ast.Load()), *node.args[k + 1 :]])
    elif calls(node, "transpose", "permute") and all(isinstance(a, ast.Constant) for a in node.args):
        for other in permutations(node.args) if 2 < len(node.args) <= MOST_AXES else ():
            yield from _in_order(site, node, list(other))


def _in_order(site: Site, node: ast.Call, args: list[ast.expr]) -> Iterator[Edit]:
    new = ast.Call(node.func, args, node.keywords)
    if text_of(new) != text_of(node):
        yield edit_at(site, "axes-swapped", "the axes are in the wrong order", 1.3, new)


def subscripts(site: Site) -> Iterator[Edit]:
    """Swap two letters of the result, or of a factor, of an einsum."""
    node = site.node
    is_first = isinstance(site.parent, ast.Call) and calls(site.parent, "einsum") and site.place[1:] == ("args", 0)
    if not is_first or not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return
    for k, letters in enumerate(parts := re.split(r"(->|,)", node.value.replace(" ", ""))):
        for i, j in combinations(range(len(letters)), 2) if letters.isalpha() else ():
            swapped = list(letters)
            swapped[i], swapped[j] = letters[j], letters[i]
            new = ast.Constant("".join([*parts[:k], "".join(swapped), *parts[k + 1 :]]))
            code = "transposed" if len(letters) == 2 else "axes-swapped"
            what = f"the axes {letters[i]} and {letters[j]} are swapped in {letters}"
            yield edit_at(site, code, what, 1.15, new)


def signs(site: Site) -> Iterator[Edit]:
    """Change the sign of one term or of all."""
    node = site.node
    is_factor = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Mult | ast.Div)
    is_number = isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and (is_factor or not is_number):
        yield edit_at(site, "sign", f"the sign of {text_of(node.operand)} is wrong", 0.9, node.operand)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        code, what = (
            ("shifted", "the place is off")
            if site.in_index
            else ("sign", f"the sign of {text_of(node.right)} is wrong")
        )
        yield edit_at(site, code, what, 1.0, ast.BinOp(node.left, other, node.right))
        if isinstance(node.op, ast.Sub):
            yield edit_at(
                site,
                "sign",
                "the difference is taken the wrong way round",
                1.05,
                ast.BinOp(node.right, node.op, node.left),
            )
    is_negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    if site.is_value and not is_negative:
        yield edit_at(site, "sign", "the sign is wrong", 1.1, ast.UnaryOp(ast.USub(), node))
    alone = isinstance(site.parent, ast.Call) and site.place[1] == "args" and len(site.parent.args) == 1
    if alone and not is_negative and calls(site.parent, *ODD) and not isinstance(node, ast.Constant):
        what = f"the sign of {text_of(node)} is wrong"
        yield edit_at(site, "sign", what, 1.15, ast.UnaryOp(ast.USub(), node))


AXES: tuple[Any, ...] = (
    0,
    1,
    -1,
    2,
    3,
    None,
    (0, 1),
    (1, 2),
    (0, 2),
    (0, 2, 3),
    (0, 1, 2),
    (-2, -1),
    (2, 3),
    (2, 3, 4),
)
KEPT_AXES = (0, 1, -1)
"""Over which axes a sum of everything is tried as one that keeps its axis, as the sum in a softmax of rows does."""
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
    "softmax",
    "log_softmax",
    "logsumexp",
)


def axes(site: Site) -> Iterator[Edit]:
    """Reduce over other axes, or change whether they are kept."""
    node = site.node
    if not isinstance(node, ast.Call):
        return
    if calls(node, *SUMS):
        yield from _other_axes(site, node)
    if not any(k.arg in KEPT for k in node.keywords):
        if calls(node, *SUMS[:6]):
            with_kept = [*node.keywords, ast.keyword("keepdims", ast.Constant(True))]
            yield edit_at(
                site, "broadcast-sum", "the summed axis is not kept", 1.4, ast.Call(node.func, node.args, with_kept)
            )
    else:
        given = next(k.value for k in node.keywords if k.arg in KEPT)
        if isinstance(given, ast.Constant) and not given.value:
            kept = [ast.keyword(k.arg, ast.Constant(True)) if k.arg in KEPT else k for k in node.keywords]
            called = ast.Call(node.func, node.args, kept)
            yield edit_at(site, "broadcast-sum", "the summed axis is not kept", 1.4, called)
        without = [k for k in node.keywords if k.arg not in KEPT]
        yield edit_at(site, "broadcast-sum", "the summed axis is kept", 1.4, ast.Call(node.func, node.args, without))


def _other_axes(site: Site, node: ast.Call) -> Iterator[Edit]:
    is_method = isinstance(node.func, ast.Attribute) and text_of(node.func.value) not in LIBRARIES
    position = (0 if is_method else 1) + calls(node, "roll")
    given = next((k.value for k in node.keywords if k.arg in AXIS), None)
    positional = given is None and len(node.args) > position
    old = node.args[position] if positional else given
    what = "it is taken over the wrong axis" if old is not None else "it is taken over all axes"
    for axis in AXES:
        new = (
            ast.Constant(axis)
            if not isinstance(axis, tuple)
            else ast.Tuple([ast.Constant(k) for k in axis], ast.Load())
        )
        if old is not None and text_of(new) == text_of(old):
            continue
        args, keywords = list(node.args), [k for k in node.keywords if k.arg not in AXIS]
        if positional:
            args[position] = new
        else:
            keywords = [ast.keyword("axis", new), *keywords]
        yield edit_at(site, "axes-swapped", what, 1.2, ast.Call(node.func, args, keywords))
        if old is None and axis in KEPT_AXES and calls(node, *SUMS[:6]) and not any(k.arg in KEPT for k in keywords):
            kept = [*keywords, ast.keyword("keepdims", ast.Constant(True))]
            yield edit_at(site, "axes-swapped", what, 1.25, ast.Call(node.func, args, kept))


def all_axes(tree: Any) -> Iterator[Edit]:
    """Reduce over one axis wherever it is over all: a mistake that is made in each of several sums."""
    found = [s for s in sites(tree) if calls(s.node, *SUMS[:4]) and _over_all(s.node)]
    if len(found) < 2:
        return
    last = found[-1].node
    for axis in (-1, 0, 1):
        more = [ast.keyword("axis", ast.Constant(axis)), ast.keyword("keepdims", ast.Constant(True))]
        new = [(s.place, ast.copy_location(ast.Call(s.node.func, s.node.args, more), s.node)) for s in found]
        texts = text_of(last), ast.unparse(new[-1][1])
        what = f"each of {len(found)} reductions is over all axes where it must be over one"
        yield Edit("axes-swapped", what, 1.6, new, last.lineno, partial(_both, *texts), last.col_offset)


def _both(written: str, wanted: str) -> tuple[str, str]:
    return written, wanted


def _over_all(node: ast.Call) -> bool:
    """Whether a reduction is given nothing but what it is of."""
    is_method = isinstance(node.func, ast.Attribute) and text_of(node.func.value) not in LIBRARIES
    return not node.keywords and len(node.args) == (0 if is_method else 1)


def numbers(site: Site, space: Mapping[str, Any]) -> Iterator[Edit]:
    """Replace a number by another: off by one in an index, another factor or exponent elsewhere.

    `space` are the globals of the function, which say what the parameters of those that it calls are.
    """
    node = site.node
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return
    if isinstance(site.parent, ast.keyword) and site.parent.arg in (*AXIS, *KEPT, "ddof"):
        return
    value = node.value
    if site.in_index:
        of_shape = isinstance(site.parent, ast.Subscript) and getattr(site.parent.value, "attr", "") == "shape"
        code, what = (
            ("factor", "another axis's length is needed") if of_shape else ("shifted", "the place is off by one")
        )
        for new in (value + 1, value - 1):
            yield edit_at(site, code, what, 1.2, ast.Constant(new))
        return
    operator = site.parent.op if isinstance(site.parent, ast.BinOp) else None
    others = (value + 1, value - 1, 2 * value, value / 2, 1, 2, 3, 4, 0.5, 0, -value)
    for new in dict.fromkeys(int(n) if n == int(n) else n for n in others):
        if new == value or (new == 1 and isinstance(operator, ast.Mult | ast.Div | ast.Pow)):
            continue  # a factor 1 is none: `operators` leaves the number out
        code, what = _of_number(site, space, value, new)
        broken = isinstance(value, int) and not isinstance(new, int)
        cost = 1.3 + 0.02 * abs(new - value) + 0.2 * broken - IDLE * _is_idle(site)
        yield edit_at(site, code, what, cost, ast.Constant(new))


def _is_idle(site: Site) -> bool:
    """Whether a number does nothing where it stands, as in `a ** 1`, `a * 1` and `a + 0`: nobody writes that."""
    parent, value = site.parent, site.node.value
    if not isinstance(parent, ast.BinOp):
        return False
    if isinstance(parent.op, ast.Add | ast.Sub):
        return value == 0 and site.place[1] == "right"
    is_right = site.place[1] == "right" or isinstance(parent.op, ast.Mult)
    return value == 1 and is_right and isinstance(parent.op, ast.Pow | ast.Mult | ast.Div)


def _of_number(site: Site, space: Mapping[str, Any], value: float, new: float) -> tuple[str, str]:
    """Return what kind of mistake a wrong number is, and how it is said."""
    if site.in_mask:
        return "mask", "the bound of the mask is wrong"
    if isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Pow):
        return "factor", "the exponent is wrong"
    called = next((n for n in site.above[:2] if isinstance(n, ast.Call)), None)
    if called is None or site.place[0] not in (called, *called.keywords):
        return "factor", "the number is wrong"
    name = _parameter(site, called, space)
    if calls(called, "roll") and name in ("", "shift"):
        return "shifted", "the shift is wrong"
    if name in AXIS:
        return "axes-swapped", "the axis is wrong"
    what = f"{text_of(called.func)} is called with {name + ' = ' if name else ''}{value} where {new} is needed"
    return ("missing-term", f"{what}: a term is left out") if value == 0 else ("other-argument", what)


def _parameter(site: Site, called: ast.Call, space: Mapping[str, Any]) -> str:
    """Return the name of the parameter for which an expression is given, or an empty string."""
    if isinstance(site.parent, ast.keyword):
        return site.parent.arg or ""
    try:
        names = list(inspect.signature(space[text_of(called.func)]).parameters)
        return names[site.place[2] or 0]
    except (KeyError, IndexError, TypeError, ValueError):
        return ""


def roots(site: Site, small: Sequence[float] = SMALL) -> Iterator[Edit]:
    """Move a small number into a root or out of it, or add one that is missing there."""
    node = site.node
    under = _under_root(node)
    if isinstance(under, ast.BinOp) and isinstance(under.op, ast.Add):
        what = f"{text_of(under.right)} is inside the root where it must be outside"
        yield edit_at(site, "epsilon", what, 1.0, ast.BinOp(_root_of(node, under.left), ast.Add(), under.right))
    elif under is not None:
        for value in small:
            padded = ast.BinOp(under, ast.Add(), ast.Constant(value))
            yield edit_at(site, "epsilon", f"{value:g} is missing inside the root", 1.9, _root_of(node, padded))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        inverse = isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Div)
        root: Any = node.left.right if inverse else node.left  # type: ignore[attr-defined]
        under = _under_root(root)
        if under is not None:
            moved = _root_of(root, ast.BinOp(under, ast.Add(), node.right))
            what = f"{text_of(node.right)} is outside the root where it must be inside"
            new = ast.BinOp(node.left.left, ast.Div(), moved) if inverse else moved  # type: ignore[attr-defined]
            yield edit_at(site, "epsilon", what, 1.0, new)


def _under_root(node: Any) -> Any:
    """Return what a root is taken of, written as `sqrt(a)`, `a**0.5` or `a**-0.5`; None where there is no root."""
    if calls(node, "sqrt", "rsqrt") and len(node.args) == 1:
        return node.args[0]
    is_power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
    return node.left if is_power and text_of(node.right).lstrip("-(").rstrip(")") in ("0.5", "1 / 2", ".5") else None


def _root_of(node: Any, under: ast.expr) -> ast.expr:
    """Return the same root of something else."""
    return ast.BinOp(under, node.op, node.right) if isinstance(node, ast.BinOp) else ast.Call(node.func, [under], [])


OTHER_OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Mult: (ast.Div, ast.MatMult, ast.Add),
    ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Add: (ast.Mult,),
    ast.FloorDiv: (ast.Mod,),
    ast.Mod: (ast.FloorDiv,),
}


def operators(site: Site) -> Iterator[Edit]:
    """Change an operator, or drop one of its operands."""
    node = site.node
    if not isinstance(node, ast.BinOp):
        return
    left, right = text_of(node.left), text_of(node.right)
    for kind in OTHER_OPERATORS.get(type(node.op), ()):
        what = "the operation is the wrong one"
        yield edit_at(site, "factor", what, 1.8, ast.BinOp(node.left, kind(), node.right))
    place = "stride" if site.in_index and isinstance(node.op, ast.Mult) else None
    if isinstance(node.op, ast.Mult | ast.MatMult):
        for gone, kept in ((right, node.left), (left, node.right)):
            code = place or "factor"
            yield edit_at(site, code, f"the factor {gone} does not belong there", 1.65, kept)
    elif isinstance(node.op, ast.Div | ast.Pow):
        what = (
            f"the division by {right} does not belong there"
            if isinstance(node.op, ast.Div)
            else "the power does not belong there"
        )
        yield edit_at(site, "factor", what, 1.5, node.left)
        if isinstance(node.op, ast.Div):
            yield edit_at(site, "factor", "the quotient is upside down", 1.6, ast.BinOp(node.right, node.op, node.left))
    elif isinstance(node.op, ast.Add | ast.Sub):
        code = "shifted" if site.in_index else "missing-term"
        yield edit_at(site, code, f"the term {right} does not belong there", 1.7, node.left)
        rest = node.right if isinstance(node.op, ast.Add) else ast.UnaryOp(ast.USub(), node.right)
        yield edit_at(site, code, f"the term {left} does not belong there", 1.7, rest)


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
    ("convolve", "correlate"),
    ("convolve2d", "correlate2d"),
)


def calls_changed(site: Site) -> Iterator[Edit]:
    """Call the opposite function, or none, or swap the arguments."""
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
            yield edit_at(
                site,
                "factor" if name in ("sum", "mean") else "wrong-point",
                f"{name} is used where {other} is needed",
                1.4,
                ast.Call(func, node.args, node.keywords),
            )
    if len(node.args) == 1 and not isinstance(node.args[0], ast.Starred):
        yield edit_at(site, "wrong-point", f"{name} does not belong there", 2.2, node.args[0])
    elif not node.args and isinstance(node.func, ast.Attribute):
        yield edit_at(site, "wrong-point", f"{name} does not belong there", 2.2, node.func.value)
    if len(node.args) == 2 and name not in SUMS:
        swapped = ast.Call(node.func, node.args[::-1], node.keywords)
        yield edit_at(site, "other-argument", f"the arguments of {name} are in the wrong order", 1.8, swapped)
    if len(node.args) == 3 and name == "where":
        a, b, c = node.args
        yield edit_at(site, "mask", "the branches are swapped", 1.2, ast.Call(node.func, [a, c, b], node.keywords))
