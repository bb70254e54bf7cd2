"""A term of the rule is missing, has the wrong sign, or is taken over the wrong axis.

The missing part, expected − analytic, is compared with the terms that rules are made of: products of the cotangent with
an input, the output or the normalised input x̂; their sums and means over some axes; and anything that is constant
along an axis.
"""

from collections.abc import Iterator, Mapping
from itertools import permutations, product
from typing import Any

import numpy as np

from chainrule.check.why.context import Array, Context, norm

from .averages import averaged
from .candidate import Candidate, agrees, explained, fits
from .factors import called
from .places import subsets

NEARLY = 0.9999
"""The share that a term with x̂ explains even though the small ε under the root is unknown."""
SIMPLE = (1.0, 2.0, -1.0)
"""A term with one of these weights is missing, has the wrong sign or, if it is a path of its own, is counted twice."""


def lacking(context: Context) -> Iterator[Candidate]:
    """Propose which term the analytic gradient lacks."""
    if not context.same_shape or agrees(context):
        return
    values = known_values(context)
    products = _products(context)
    yield from _single(context, {**_elementwise(context, values), **products}, 4.0)
    yield from _pairs(context, products)
    yield from _instead(context, values)
    yield from averaged(context)
    yield from _one_hot(context)
    yield from _moments(context, values)
    yield from _along_axes(context, values)


def known_values(context: Context) -> dict[str, Array]:
    """Return arrays that rules multiply by, keyed by name."""
    x, y, own, out = context.x, context.output, context.argument, context.result
    found = {"1": np.ones(()), own: x}
    found |= {name: a for name, a in context.floating.items() if name != own}
    found[out] = y
    for (name, a), (other, b) in permutations(context.floating.items(), 2):
        value = context.evaluate({**context.arguments, name: b}) if a.shape == b.shape and a.ndim else None
        if value is not None:
            found[f"f({name} = {other})"] = value
    for axes in [*subsets(x.ndim), tuple(range(x.ndim))] if x.ndim else []:
        spread = x.std(axis=axes, keepdims=True)
        if np.all(spread > 0):
            found[f"x̂ over axes {list(axes)}"] = (x - x.mean(axis=axes, keepdims=True)) / spread
    with np.errstate(all="ignore"):
        if x.ndim:
            found[f"softmax({own})"] = _softmax(x)
            found[f"softmax(softmax({own}))"] = _softmax(_softmax(x))
        found |= {f"σ({own})": 1 / (1 + np.exp(-x)), f"tanh({own})": np.tanh(x), f"exp({own})": np.exp(x)}
        found |= {f"exp({out})": np.exp(y), f"{out}²": y * y, f"1 − {out}²": 1 - y * y}
        found |= {f"{out}/{name}": y / a for name, a in context.floating.items() if _broadcasts(a, y)}
    return {name: a for name, a in found.items() if np.all(np.isfinite(a))}


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _elementwise(context: Context, values: Mapping[str, Array]) -> dict[str, Array]:
    """Return ȳ ⊙ u, summed to the argument's shape if it is larger."""
    found = {}
    for name, u in values.items():
        try:
            value = context.y_bar * u
        except ValueError:
            continue
        summed = _unbroadcast(value, context.x.shape)
        if summed is not None:
            found["ȳ" if name == "1" else f"ȳ ⊙ {name}"] = summed
    return found


def _unbroadcast(a: Array, shape: tuple[int, ...]) -> Array | None:
    if a.ndim < len(shape):
        return None
    a = a.sum(axis=tuple(range(a.ndim - len(shape))))
    axes = tuple(k for k, n in enumerate(shape) if n == 1 and a.shape[k] != 1)
    a = a.sum(axis=axes, keepdims=True)
    return a if a.shape == shape else None


def _products(context: Context) -> dict[str, Array]:
    """Return the matrix products of ȳ with an argument or the output that have the argument's shape."""
    found = {}
    ends = {"ȳ": context.y_bar, "ȳᵀ": _turned(context.y_bar)}
    for name, a in {**context.floating, context.result: context.output}.items():
        for of_y, c in ends.items():
            for of_a, b in ((name, a), (f"{name}ᵀ", _turned(a))):
                for text, left, right in ((f"{of_y} {of_a}", c, b), (f"{of_a} {of_y}", b, c)):
                    if left.ndim >= 1 and right.ndim >= 1 and left.ndim + right.ndim >= 3:
                        try:
                            value = left @ right
                        except ValueError:
                            continue
                        if value.shape == context.x.shape:
                            found[text] = value
    if context.y_bar.size == 1:
        found |= _of_two(context)
    return found


def _of_two(context: Context) -> dict[str, Array]:
    """Return the products of two arguments that have the argument's shape, times the one number that arrives."""
    sides = {name: a for name, a in context.floating.items() if a.ndim}
    sides |= {f"{name}ᵀ": a.T for name, a in sides.items() if a.ndim == 2}
    found = {}
    for (left, a), (right, b) in product(sides.items(), repeat=2):
        try:
            value = np.outer(a, b) if a.ndim == b.ndim == 1 else a @ b
        except ValueError:
            continue
        if value.shape == context.x.shape:
            found[f"ȳ {left} {right}"] = float(context.y_bar.ravel()[0]) * value
    return found


def _turned(a: Array) -> Array:
    return np.swapaxes(a, -1, -2) if a.ndim >= 2 else a


def _single(context: Context, terms: Mapping[str, Array], cost: float) -> Iterator[Candidate]:
    """Propose that each term, with its best-fitting weight, is missing, or that it is all there is."""
    g, n, lack = context.analytic, context.expected, context.error
    for name, term in terms.items():
        square = float(np.vdot(term, term))
        if square <= context.noise**2 or _parallel(term, n):
            continue
        weight = float(np.vdot(term, lack)) / square
        if fits(weight * term, lack, context):
            yield _weighted(context, name, weight, n - weight * term, cost)
        rest = n - term
        weight = float(np.vdot(rest, g - term)) / (float(np.vdot(rest, rest)) or 1.0)
        if _is_part(name, term, n) and fits(term + weight * rest, g, context):
            yield from _with_rest(context, name, weight, term + weight * rest, cost)


def _with_rest(context: Context, name: str, weight: float, predicted: Array, cost: float) -> Iterator[Candidate]:
    """Propose that one term is right, and that all others together have a wrong weight."""
    detail = {"term": name, "factor": weight}
    if abs(weight) < 1e-6:
        text = f"the gradient is {name} alone; all other terms are missing"
        if _is_path(name):
            yield Candidate("detached", text + ": their paths are cut off", cost - 0.1, predicted, detail=detail)
        elif context.x.shape != context.output.shape and "⊙" in name:
            text = f"the gradient is the sum of {name}, but another value is needed"
            yield Candidate("output-for-input", text, cost - 0.1, predicted, detail=detail)
        else:
            yield Candidate("missing-term", text, cost - 0.1, predicted, detail=detail)
    elif abs(weight + 1) < 1e-6:
        text = f"{name} is right; the other terms have the wrong sign"
        yield Candidate("missing-term", text, cost + 0.2, predicted, detail=detail)
    elif abs(weight - 2) < 1e-6:
        text = f"{name} is right; the other terms are counted twice"
        yield Candidate("accumulated-twice", text, cost + 0.4, predicted, detail=detail)


def _pairs(context: Context, products: Mapping[str, Array]) -> Iterator[Candidate]:
    """Propose that one product is used in place of another."""
    for (needed, a), (taken, b) in permutations(products.items(), 2):
        if fits(a - b, context.error, context) and not fits(a, b, context):
            text = f"the path that contributes {needed} is cut off, and {taken} is counted in its place"
            yield Candidate("detached", text, 4.3, predicted=context.expected - a + b, detail={"term": needed})


def _is_path(name: str) -> bool:
    """Say whether a term can be the contribution of one path: ȳ itself, or a matrix product with it."""
    return name == "ȳ" or ("⊙" not in name and " " in name)


def _is_part(name: str, term: Array, n: Array) -> bool:
    """Say whether a term can be a part of the expected gradient: without it, less must remain than there was.

    Of a product that fits in no other way than by its shape, such as ȳ W with a square W, more remains. What arrives
    is a part wherever a value is passed on.
    """
    return name == "ȳ" or float(np.vdot(term, n)) > 0.5 * float(np.vdot(term, term))


def _parallel(a: Array, b: Array) -> bool:
    """Say whether one array is a multiple of the other, so that a term is merely a factor."""
    return abs(float(np.vdot(a, b))) >= (1 - 1e-12) * norm(a) * norm(b)


def _weighted(context: Context, name: str, weight: float, predicted: Array, cost: float) -> Candidate:
    simple = next((w for w in SIMPLE if abs(weight - w) < 1e-5), None)
    detail = {"term": name, "factor": weight}
    path = _is_path(name)
    if simple == 2:
        return Candidate("missing-term", f"the term {name} has the wrong sign", cost, predicted, detail=detail)
    if simple == -1 and path:
        text = f"the term {name} is counted once too often"
        return Candidate("accumulated-twice", text, cost, predicted, detail=detail)
    if simple == 1 and path:
        text = f"the path that contributes {name} is cut off"
        return Candidate("detached", text, cost, predicted, detail=detail)
    factor, _, known = called(weight, context) if weight else ("0", "", True)
    text = f"the term {name} is missing" + ("" if simple else f" (with the factor {factor})")
    return Candidate("missing-term", text, cost if known else cost + 1.5, predicted, detail=detail)


def _instead(context: Context, values: Mapping[str, Array]) -> Iterator[Candidate]:
    """Propose that one value is used in place of another, in a term that is linear in it."""
    own, out = context.argument, context.result
    usual = {own, out, f"{out}²", f"softmax({own})", f"softmax(softmax({own}))", f"σ({own})", f"tanh({own})"}
    chosen = {k: v for k, v in values.items() if k in usual or k.startswith(("x̂", f"{out}/"))}
    for taken, u in chosen.items():
        for needed, v in chosen.items():
            if taken == needed:
                continue
            yield from _taken_for(context, (taken, u), (needed, v))


def _taken_for(context: Context, taken: tuple[str, Array], needed: tuple[str, Array]) -> Iterator[Candidate]:
    lack, n, u, v = context.error, context.expected, taken[1], needed[1]
    # What arrives belongs to every term; of a single number it is known only here that it stands for itself.
    for above in (context.y_bar,) if context.y_bar.size == 1 else (np.ones(()), context.y_bar):
        try:
            term = _unbroadcast(np.broadcast_to((v - u) * above, np.broadcast(v, u, context.y_bar).shape), n.shape)
        except ValueError:
            continue
        if term is None:
            continue
        square = float(np.vdot(term, term))
        weight = float(np.vdot(term, lack)) / square if square > context.noise**2 else 0.0
        # A negative weight says the same of the two values the other way round.
        if weight > 0 and fits(weight * term, lack, context):
            first, second = (needed, taken) if _stands_in(n, weight, taken, needed, context) else (taken, needed)
            text = f"{first[0]} is used where {second[0]} is needed"
            detail = {"term": first[0], "factor": weight}
            out = context.result
            code = "missing-term" if {taken[0], needed[0]} == {out, f"{out}²"} else "output-for-input"
            yield Candidate(code, text, 3.8, predicted=n - weight * term, detail=detail)


def _stands_in(n: Array, weight: float, taken: tuple[str, Array], needed: tuple[str, Array], context: Context) -> bool:
    """Say whether the expected gradient has the term −weight ⊙ taken, not +weight ⊙ needed: as 1 − y² has −y².

    The error is the same in both cases; what is left of the expected gradient without the term is simple in one.
    """

    def is_simple(rest: Array) -> bool:
        return norm(rest) <= context.noise or _parallel(rest, bar)

    bar = context.y_bar
    if bar.shape != n.shape:
        return False
    with_taken, with_needed = (
        np.asarray(n + sign * weight * value * bar) for sign, value in ((1.0, taken[1]), (-1.0, needed[1]))
    )
    return with_taken.shape == n.shape and is_simple(with_taken) and not is_simple(with_needed)


def _one_hot(context: Context) -> Iterator[Candidate]:
    """Propose that the one-hot term of class labels is missing, or off by one."""
    n, lack = context.expected, context.error
    if n.ndim < 1 or n.shape[-1] < 3:
        return
    rows = np.where(abs(lack) > context.noise, lack, 0.0).reshape(-1, n.shape[-1])
    hits = np.count_nonzero(rows, axis=1)
    values = rows[rows != 0]
    bar = float(context.y_bar.ravel()[0]) if context.y_bar.size == 1 else 1.0
    if len(rows) >= 2 and np.all(hits == 1) and np.allclose(values, values[0]):
        at = [int(k) for k in np.argmax(rows != 0, axis=1)]
        text = f"one entry in each row lacks {values[0]:.6g}: {_labels(at, context)} is missing or has a wrong factor"
        detail = {"term": "one-hot", "factor": float(values[0]) / bar, "entries": at}
        yield Candidate("missing-term", text, 2.8, predicted=n - rows.reshape(n.shape), detail=detail)
    for by in (1, -1):
        for hot in (np.maximum(rows, 0), np.minimum(rows, 0)):
            if np.all(hits == 2) and np.allclose(rows, hot - np.roll(hot, by, axis=1)):
                text = f"a one-hot term (the target) is off by {by} along the last axis"
                yield Candidate("shifted", text, 2.8, predicted=n - rows.reshape(n.shape), detail={"shift": by})


def _labels(at: list[int], context: Context) -> str:
    """Say what has a 1 in one place of each row: the one-hot form of an argument, where it is one."""
    for name, labels in context.arguments.items():
        if np.asarray(labels).dtype.kind in "iu" and np.ravel(labels).tolist() == at:
            return f"the one-hot term of {name}"
    return "a one-hot term (the target)"


def _moments(context: Context, values: Mapping[str, Array]) -> Iterator[Candidate]:
    """Propose that sums u ⊙ Σ(ȳ ⊙ v) are taken over the wrong axes: that of a softmax, or the two of a
    normalisation.
    """
    n = context.expected
    if context.y_bar.shape != n.shape or n.ndim < 2:
        return
    above = {"ȳ": context.y_bar}
    above |= {
        f"ȳ ⊙ {k}": context.y_bar * a
        for k, a in context.floating.items()
        if k != context.argument and _broadcasts(a, n)
    }
    for above_name, c in above.items():
        for name in (k for k in values if k in ("1", context.result, f"exp({context.result})") or k.startswith("x̂")):
            u = _spread(values[name], n.shape)
            if u is None or c.shape != n.shape:
                continue
            factor = 1.0 if not name.startswith("x̂") else u.std() / context.x.std(axis=_axes_of(name), keepdims=True)
            weighted = {axes: _sums(c, u, axes, factor, name) for axes in subsets(n.ndim)}
            rights = [_axes_of(name)] if name.startswith("x̂") else list(weighted)
            for right, wrong in ((a, b) for a in rights for b in weighted if a != b and a in weighted):
                columns = np.stack([*weighted[right], *(-a for a in weighted[wrong])], axis=1)
                yield from _over_axes(context, columns, right, wrong, f"{above_name} ⊙ {name}")


def _sums(c: Array, u: Array, axes: tuple[int, ...], factor: Any, name: str) -> list[Array]:
    """Return the sums of a rule over some axes, flat: one for a softmax, mean and x̂-weighted mean for a norm."""
    with_u = factor * u * np.mean(c * u, axis=axes, keepdims=True)
    plain = factor * np.broadcast_to(np.mean(c, axis=axes, keepdims=True), u.shape)
    if name.startswith("x̂"):
        return [plain.ravel(), with_u.ravel()]
    return [(u * plain if name.startswith("exp(") else with_u).ravel()]


def _axes_of(name: str) -> tuple[int, ...]:
    return tuple(int(k) for k in name.partition("[")[2].rstrip("]").split(","))


def _over_axes(
    context: Context, columns: Array, right: tuple[int, ...], wrong: tuple[int, ...], name: str
) -> Iterator[Candidate]:
    lack, n = context.error, context.expected
    if min(norm(c) for c in columns.T) <= context.noise or columns.shape[0] <= 2 * columns.shape[1]:
        return
    weights = np.linalg.lstsq(columns, lack.ravel(), rcond=None)[0]
    term = (columns @ weights).reshape(n.shape)
    # Rules subtract these sums, so the missing part is the wrong sum, subtracted in excess, minus the right one.
    if max(weights) < -1e-6 and explained(n - term, context.analytic, context) > NEARLY:
        text = f"the sum of {name} is taken over axes {list(wrong)} in place of {list(right)}"
        yield Candidate("axes-swapped", text, 4.4, predicted=n - term, detail={"axes": list(wrong), "term": name})


def _along_axes(context: Context, values: Mapping[str, Array]) -> Iterator[Candidate]:
    """Propose u ⊙ c with any c that is constant along some axes, and the sum of two such terms."""
    n = context.expected
    bases = [k for k in ("1", context.result, *values) if k in values]
    fields = {k: u for k in dict.fromkeys(bases) if (u := _spread(values[k], n.shape)) is not None}
    for axes in [*subsets(n.ndim), tuple(range(n.ndim))] if n.ndim else []:
        length = int(np.prod([n.shape[k] for k in axes]))
        for name, u in fields.items():
            if length >= 3:
                yield from _fitted(context, (name,), (u,), axes, length)
        for name, u in fields.items():
            if length >= 4 and (name.startswith("x̂") or (name == context.result and _is_centred(u, axes))):
                yield from _fitted(context, ("1", name), (np.ones(n.shape), u), axes, length)


def _is_centred(u: Array, axes: tuple[int, ...]) -> bool:
    """Whether a result has mean 0 along axes, as one that was normalised; a softmax has no mean to be cut off."""
    return bool(np.all(np.abs(u.mean(axis=axes)) <= 1e-6 * np.sqrt(np.mean(np.square(u)))))


def _fitted(
    context: Context, names: tuple[str, ...], fields: tuple[Array, ...], axes: tuple[int, ...], length: int
) -> Iterator[Candidate]:
    n = context.expected
    rest = tuple(k for k in range(n.ndim) if k not in axes)
    order = rest + axes
    columns = [np.transpose(u, order).reshape(-1, length) for u in fields]
    lack = np.transpose(context.error, order).reshape(-1, length)
    design = np.stack(columns, axis=2)
    weights = np.linalg.pinv(design) @ lack[:, :, None]
    fitted = (design @ weights)[..., 0].reshape([n.shape[k] for k in order])
    term = np.transpose(fitted, np.argsort(order))
    if not fits(term, context.error, context):
        return
    where = f"along axes {list(axes)}"
    detail = {"term": " and ".join(names), "axes": list(axes)}
    if len(names) == 2:
        text = f"the paths through the statistics {where} are cut off: mean and variance are treated as constants"
        yield Candidate("detached", text, 6.5 - 0.05 * len(axes), predicted=n - term, detail=detail)
        return
    name = names[0]
    cost = 5.2 + (name not in ("1", context.result)) - 0.05 * len(axes)
    shape = "is constant" if name == "1" else f"is proportional to {name}"
    where = "" if "over axes" in name else f" {where}"
    text = f"expected − analytic {shape}{where}: a term like a mean of ȳ{'' if name == '1' else ' ⊙ ' + name}"
    yield Candidate("missing-term", text + " is missing or wrong", cost, n - term, detail=detail)


def _broadcasts(a: Array, y: Array) -> bool:
    return _spread(a, y.shape) is not None


def _spread(u: Array, shape: tuple[int, ...]) -> Array | None:
    try:
        return np.broadcast_to(u, shape)
    except ValueError:
        return None
