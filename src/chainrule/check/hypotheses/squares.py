"""Rules that are right only if two lengths are equal."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from chainrule.check.why.context import Arguments, Array, Context, norm

from .candidate import Candidate, agrees

MOST_SUBSETS = 64


def right_when_square(context: Context) -> Iterator[Candidate]:
    """Propose that the rule confuses two lengths: it is right if they are equal."""
    if context.backward is None:
        return
    if context.square or agrees(context):
        yield from _wrong_off_square(context)
        return
    lengths = sorted({n for x in context.arguments.values() for n in np.shape(x) if n > 1})
    for short, long in combinations(lengths, 2):
        moved = cut(context, resized(context.arguments, long, short))
        if (
            moved is None
            or _collapsed(context, moved)
            or (moved.x.shape, moved.y_bar.shape) == (context.x.shape, context.y_bar.shape)
        ):
            continue
        if agrees(moved) and norm(moved.expected) > 0:
            text = f"the rule is right where the lengths {long} and {short} are equal: it confuses two axes"
            yield Candidate("square-only", text, 4.6, predicted=context.analytic, detail={"axes": [short, long]})
            return


def _collapsed(context: Context, moved: Context) -> bool:
    """Whether the cut leaves so little that many rules are right: one element where there were several."""
    return any(n == 1 < before for n, before in zip(moved.output.shape, context.output.shape, strict=True))


def _wrong_off_square(context: Context) -> Iterator[Candidate]:
    for arguments in unsquared(context.arguments):
        moved = cut(context, arguments)
        if moved is not None and not agrees(moved):
            shapes = ", ".join(f"{name} {list(np.shape(x))}" for name, x in moved.arguments.items())
            text = f"the rule is right here, where lengths are equal, and wrong for {shapes}"
            yield Candidate("square-only", text, 0.1, predicted=context.analytic, detail={"shapes": shapes})
            return


def resized(arguments: Arguments, long: int, short: int) -> Arguments:
    """Cut every axis of one length to another."""
    return {
        name: np.asarray(x)[tuple(slice(short) if n == long else slice(None) for n in np.shape(x))]
        for name, x in arguments.items()
    }


def unsquared(arguments: Arguments) -> Iterator[Arguments]:
    """Yield the arguments with some axes of a length that occurs twice or more cut by one."""
    shapes = {name: np.shape(x) for name, x in arguments.items()}
    lengths = sorted({n for shape in shapes.values() for n in shape if n > 1})
    tried = 0
    for length in lengths:
        places = [(name, k) for name, shape in shapes.items() for k, n in enumerate(shape) if n == length]
        for count in range(1, len(places)):
            for chosen in combinations(places, count):
                tried += 1
                if tried > MOST_SUBSETS:
                    return
                yield {name: _shortened(np.asarray(x), name, chosen) for name, x in arguments.items()}


def _shortened(x: Array, name: str, chosen: tuple[tuple[str, int], ...]) -> Array:
    return x[tuple(slice(n - 1) if (name, k) in chosen else slice(None) for k, n in enumerate(x.shape))]


def cut(context: Context, arguments: Arguments) -> Context | None:
    """Return the context at arguments of other shapes, or None if f or the rule does not take them."""
    output = context.evaluate(arguments)
    if output is None or output.ndim != context.output.ndim or not np.all(np.isfinite(output)):
        return None
    y_bar = np.random.default_rng(0).standard_normal(output.shape)
    moved = replace(context, y_bar=y_bar, output=output, arguments=arguments, _jacobians={})
    analytic, expected = moved.rerun(arguments), moved.measured(arguments)
    if analytic is None or expected is None or analytic.shape != expected.shape:
        return None
    name = context.argument
    return replace(moved, gradients={name: analytic}, numeric={name: expected})
