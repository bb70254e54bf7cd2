"""The cheap-gradient principle, rule by rule: how long the backward pass takes beside the forward pass.

    python benchmarks/rules.py [NAME …]

Every record of chainrule runs on arrays of about 10⁶ elements (float64): its primal, and its reverse rules for all
differentiable arguments together, in turn. The bound is 5; a record above it has its reason in `REASONS`.
"""

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from timing import alternate, machine, table

import chainrule as cr
from chainrule.core.operation import REGISTRY, Case, Operation

ELEMENTS = 10**6
BOUND = 5.0
LARGE: dict[str, Case] = {
    "reshape": Case(((1000, 1000),), {"shape": (500, 2000)}),
    "broadcast_to": Case(((1000, 1),), {"shape": (1000, 1000)}),
    "getitem": Case(((1000, 1000),), {"index": (slice(10, 990), slice(None)), "unique": True}),
    "convolve": Case(((ELEMENTS,), (16,)), {}),
    "correlate": Case(((ELEMENTS,), (16,)), {}),
}
"""Operations whose cases cannot be made larger by stretching every axis."""
VIEW = "forward is a view and moves nothing"
EACH = "a gradient for each argument, each with its comparisons, against one pass"
HYPOT = "np.hypot, which does not overflow, takes ten times as long as the vectorised forward"
OTHERS = "products of all the others, without a quotient, so that zeros come out right"
REASONS = {
    **dict.fromkeys(("transpose", "getitem", "flip", "reshape", "split", "broadcast_to"), VIEW),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin", "clip"), EACH),
    **dict.fromkeys(("arctan2", "arcsinh"), HYPOT),
    **dict.fromkeys(("prod", "cumprod"), OTHERS),
    **dict.fromkeys(("max", "min"), "a comparison, a count of ties and a product against one vectorised pass"),
    "polygamma": "the next order is a Hurwitz zeta function, where order 0 is SciPy's quick digamma",
    "power": "the base's gradient is another power and the exponent's a logarithm",
    "copysign": "two signs against a pass that moves bits",
    "arccosh": "two roots, whose product does not overflow as the root of the square would",
}
"""Why a record may cost more than the bound."""


def stretched(shape: tuple[int, ...], factor: float) -> tuple[int, ...]:
    return tuple(n if n < 2 else max(2, round(n * factor)) for n in shape)


def candidates(operation: type[Operation]) -> Iterator[Case]:
    """Yield calls with about `ELEMENTS` elements in the largest argument, the likeliest first."""
    if operation.name in LARGE:
        yield LARGE[operation.name]
        return
    small = operation.cases or (Case(((1000, 1000),) * len(operation.arguments)),)
    for case in small:
        if not all(isinstance(x, tuple) and math.prod(x) > 0 for x in case.inputs):
            continue
        most = max(case.inputs, key=math.prod)
        axes = sum(n > 1 for n in most)
        if axes:
            factor = (ELEMENTS / math.prod(most)) ** (1 / axes)
            yield Case(tuple(stretched(x, factor) for x in case.inputs), case.settings)


def drawn(operation: type[Operation], case: Case) -> list[Any]:
    rng = np.random.default_rng(0)
    names = operation.arguments * len(case.inputs) if operation.variadic else operation.arguments
    ranges = [operation.domain.get(name, (-3.0, 3.0)) for name in names]
    return [
        rng.uniform(*limits, size=x) if isinstance(x, tuple) else x
        for x, limits in zip(case.inputs, ranges, strict=False)
    ]


def measured(operation: type[Operation]) -> tuple[float, float, str] | None:
    """Return the seconds of forward and backward pass and the shapes, or None where no case can be made large."""
    for case in candidates(operation):
        arrays, settings = drawn(operation, case), {**operation.defaults, **case.settings}
        names = operation.arguments * len(arrays) if operation.variadic else operation.arguments
        moving = [k for k, name in enumerate(names) if name in operation.differentiable]

        def call(*chosen: Any, arrays: Any = arrays, moving: Any = moving, settings: Any = settings) -> Any:
            full = list(arrays)
            for k, x in zip(moving, chosen, strict=True):
                full[k] = x
            return operation.apply(*full, **settings)

        try:
            y, pullback = cr.vjp(call, *(arrays[k] for k in moving))
        except (ValueError, TypeError, IndexError):
            continue  # a setting that holds a shape: the next case may do
        y_bar = tuple(np.ones_like(part) for part in y) if operation.several else np.ones_like(y)

        def forward(arrays: Any = arrays, settings: Any = settings) -> Any:
            return operation.primal(*arrays, **settings)

        def backward(pullback: Any = pullback, y_bar: Any = y_bar) -> Any:
            return pullback(y_bar)

        found = alternate({"forward": forward, "backward": backward}, rounds=5, repeats=1)
        return found["forward"][0], found["backward"][0], ", ".join(str(np.shape(x)) for x in arrays)
    return None


def main() -> None:
    wanted = sys.argv[1:] or sorted(REGISTRY)
    rows, above, left_out = [], [], []
    np.seterr(all="ignore")  # a product of 10⁶ factors overflows, in the same time
    for name in wanted:
        operation = REGISTRY[name]
        if operation.kind == "constant":
            continue
        print(f"\r{name:40s}", end="", file=sys.stderr, flush=True)
        found = measured(operation)
        if found is None:
            left_out.append(name)
            continue
        forward, backward, shapes = found
        ratio = backward / forward
        mark = "" if ratio <= BOUND else REASONS.get(name, "ABOVE THE BOUND")
        rows.append((ratio, [name, shapes, f"{forward * 1e3:.2f}", f"{backward * 1e3:.2f}", f"{ratio:.1f}", mark]))
        if ratio > BOUND and name not in REASONS:
            above.append(name)
    rows.sort(reverse=True)
    print(f"Backward over forward, about 10⁶ elements, medians of 5 alternating rounds ({machine()})\n")
    print(table(["operation", "shapes", "forward ms", "backward ms", "ratio", ""], [row for _, row in rows]))
    print(f"\n{len(rows)} operations; above {BOUND:.0f} without a reason: {', '.join(above) or 'none'}")
    print(f"not measured, for want of a case that can be made large: {', '.join(left_out) or 'none'}")


if __name__ == "__main__":
    main()
