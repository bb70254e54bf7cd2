"""A graph as HTML: the drawing, the inside of each folded block, and the operations' formulas. No scripts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from chainrule.present.html import Markup, join, tag
from chainrule.present.mathematics import formula
from chainrule.present.page import details
from chainrule.present.table import table
from chainrule.present.texts import Words

from .folding import Fold
from .panel import rule_of
from .scene import Scene, stage_block
from .svg import block_name, draw, gradient_norm
from .texts import TEXT, amount
from .vertices import Vertex


def content(svg: str, vertices: Sequence[Vertex], scene: Scene, lang: str) -> Markup:
    """Return the content below the title of a page, or in a notebook cell."""
    words = Words(TEXT, lang)
    opened = (_opened(fold, words) for fold in scene.folds)
    return join(_drawing(svg, words["title"], words), tag("p", words["reading"]), opened, _rules(vertices, words))


def _drawing(svg: str, name: str, words: Words) -> Markup:
    label = words("region", name=name)
    return tag("div", Markup(svg), class_="drawing scroll", role="region", tabindex=0, aria_label=label)


def _opened(fold: Fold, words: Words) -> Markup:
    name = words("fold", name=block_name(fold, words.lang), n=len(fold.copies))
    inside = draw(stage_block(fold), words.lang, fold.paths()[0] or words["block"], [])
    return details(name, tag("p", words["first"]), _drawing(inside, name, words), _copies(fold, name, words))


def _copies(fold: Fold, name: str, words: Words) -> Markup:
    """Return a table with a row for each copy: how gradients change with depth."""
    rows = []
    for k, (copy, path) in enumerate(zip(fold.copies, fold.paths(), strict=True), 1):
        gradients = gradient_norm([v for v in copy if v.kind == "parameter"])
        rows.append((path or str(k), amount(copy[-1].value), f"‖{gradients}‖" if gradients else ""))
    return table([words[key] for key in ("copy", "norm_output", "norm_gradient")], rows, name, named=True)


def _rules(vertices: Sequence[Vertex], words: Words) -> Markup:
    uses = Counter(v.op for v in vertices if v.op is not None and hasattr(v.op, "formulas"))
    rows = [
        (op.name, count, _typeset(op.formulas().get("primal", "")), join(_local(op)))
        for op, count in sorted(uses.items(), key=lambda item: -item[1])
    ]
    heads = [words[key] for key in ("operation", "uses", "formula", "local")]
    return details(words["rules"], table(heads, rows, words["rules"], named=True))


def _local(op: Any) -> Iterator[Markup]:
    """Yield the rules of an operation in one notation: what each argument gets, from what arrives at the result."""
    for latex in dict.fromkeys(rule_of(op, argument) for argument in op.differentiable):
        if latex:
            yield tag("div", _typeset(latex))


def _typeset(latex: str) -> Markup:
    return formula(latex) if latex else Markup("")
