"""Things that are there but wrong: a comparison, a transpose, a sign, an axis, a number, an operator."""

import ast
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

from .sites import Edit, Site, calls, edit_at, text_of

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
    for k, kind in enumerate(COMPARISONS.get(type(node.ops[0]), ())):
        what = "the mask takes the boundary wrongly" if k == 0 else "the mask takes the wrong side"
        yield edit_at(site, "mask", what, 0.8 + 0.1 * k, ast.Compare(node.left, [kind()], node.comparators))
    for atom in atoms:
        if text_of(atom) != text_of(node.left):
            what = f"the mask is computed from {text_of(node.left)} where {text_of(atom)} is needed"
            yield edit_at(site, "mask", what, 1.2, ast.Compare(atom, node.ops, node.comparators))


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
    if isinstance(node, ast.Name) and node.id in ("np", "numpy"):
        return
    if is_turned or (in_product and site.place[1] != "func"):
        new = _turned(node)
        what = f"{text_of(node)} is used where {text_of(new)} is needed"
        yield edit_at(site, "transposed", what, 1.0, new)
    elif site.is_value:
        yield edit_at(site, "transposed", "the result is transposed", 1.6, _turned(node))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        swapped = ast.BinOp(node.right, ast.MatMult(), node.left)
        yield edit_at(site, "transposed", "the factors of the product are in the wrong order", 1.5, swapped)
    if isinstance(node, ast.Call) and calls(node, "transpose", "swapaxes", "moveaxis", "permute"):
        value = (
            node.args[0]
            if isinstance(node.func, ast.Attribute) and text_of(node.func.value) in ("np", "numpy")
            else None
        )
        value = value or (node.func.value if isinstance(node.func, ast.Attribute) else None)
        if value is not None:
            yield edit_at(site, "axes-swapped", "the axes are swapped where they must not be", 1.5, value)
    if calls(node, "transpose") and any(isinstance(a, ast.Tuple) for a in node.args):
        k = next(k for k, a in enumerate(node.args) if isinstance(a, ast.Tuple))
        yield from _other_orders(site, node, k)


def _other_orders(site: Site, node: ast.Call, k: int) -> Iterator[Edit]:
    order = node.args[k]
    assert isinstance(order, ast.Tuple)
    for other in permutations(order.elts):
        args = [*node.args[:k], ast.Tuple(list(other), ast.Load()), *node.args[k + 1 :]]
        if list(other) != order.elts:
            yield edit_at(
                site, "axes-swapped", "the axes are in the wrong order", 1.3, ast.Call(node.func, args, node.keywords)
            )


def signs(site: Site) -> Iterator[Edit]:
    """Change the sign of one term or of all."""
    node = site.node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
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
    if site.is_value and not (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)):
        yield edit_at(site, "sign", "the sign is wrong", 1.1, ast.UnaryOp(ast.USub(), node))


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


def axes(site: Site) -> Iterator[Edit]:
    """Reduce over other axes, or change whether they are kept."""
    node = site.node
    if not isinstance(node, ast.Call):
        return
    if calls(node, *SUMS):
        yield from _other_axes(site, node)
    if not any(k.arg == "keepdims" for k in node.keywords):
        if calls(node, *SUMS[:6]):
            with_kept = [*node.keywords, ast.keyword("keepdims", ast.Constant(True))]
            yield edit_at(
                site, "broadcast-sum", "the summed axis is not kept", 1.4, ast.Call(node.func, node.args, with_kept)
            )
    else:
        without = [k for k in node.keywords if k.arg != "keepdims"]
        yield edit_at(site, "broadcast-sum", "the summed axis is kept", 1.4, ast.Call(node.func, node.args, without))


def _other_axes(site: Site, node: ast.Call) -> Iterator[Edit]:
    is_method = isinstance(node.func, ast.Attribute) and text_of(node.func.value) not in ("np", "numpy", "cr")
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
        if old is not None and text_of(new) == text_of(old):
            continue
        args, keywords = list(node.args), [k for k in node.keywords if k.arg != "axis"]
        if positional:
            args[position] = new
        else:
            keywords = [ast.keyword("axis", new), *keywords]
        yield edit_at(site, "axes-swapped", what, 1.2, ast.Call(node.func, args, keywords))


def numbers(site: Site) -> Iterator[Edit]:
    """Replace a number by another: off by one in an index, another factor or exponent elsewhere."""
    node = site.node
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return
    if isinstance(site.parent, ast.keyword) and site.parent.arg in ("axis", "keepdims", "ddof"):
        return
    value = node.value
    if site.in_index:
        what = "the place is off by one"
        for new in (value + 1, value - 1):
            yield edit_at(site, "shifted", what, 1.2, ast.Constant(new))
        return
    is_power = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Pow)
    what = "the exponent is wrong" if is_power else "the number is wrong"
    others = (value + 1, value - 1, 2 * value, value / 2, 1, 2, 3, 4, 0.5, 0, -value)
    for new in dict.fromkeys(int(n) if n == int(n) else n for n in others):
        if new != value:
            yield edit_at(site, "factor", what, 1.3 + 0.02 * abs(new - value), ast.Constant(new))


def roots(site: Site) -> Iterator[Edit]:
    """Move a small number into the root, or out of it."""
    node = site.node
    if calls(node, "sqrt") and len(node.args) == 1 and isinstance(node.args[0], ast.BinOp):
        inner = node.args[0]
        if isinstance(inner.op, ast.Add):
            new = ast.BinOp(ast.Call(node.func, [inner.left], []), ast.Add(), inner.right)
            yield edit_at(
                site, "epsilon", f"{text_of(inner.right)} is inside the root where it must be outside", 1.0, new
            )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and calls(node.left, "sqrt"):
        root: Any = node.left
        moved = ast.Call(root.func, [ast.BinOp(root.args[0], ast.Add(), node.right)], [])
        yield edit_at(site, "epsilon", f"{text_of(node.right)} is outside the root where it must be inside", 1.0, moved)


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
            yield edit_at(site, code, f"the factor {gone} does not belong there", 1.5, kept)
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
