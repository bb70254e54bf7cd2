"""A graph as HTML: the drawing, every folded block opened, and the formulas of the operations. No script in it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from chainrule.explain.write.html import mathml
from chainrule.present.escape import CSP
from chainrule.present.escape import html as escape

from .folding import Fold
from .scene import Scene, stage_block
from .svg import block_name, draw, gradient_norm
from .texts import TEXT, amount
from .vertices import Vertex

_STYLE = """
:root{color-scheme:light dark}
body{margin:0 auto;padding:1.2rem;max-width:76rem;font:16px/1.55 system-ui,"Segoe UI",Roboto,"Noto Sans",
"Noto Sans CJK KR",sans-serif;background:Canvas;color:CanvasText}
h1{font-size:1.4rem;margin:0 0 .4rem}
"""
_INNER_STYLE = """
.cr-graph-page .drawing{overflow-x:auto;border:1px solid #8c959f66;border-radius:8px;margin:.8rem 0}
.cr-graph-page .drawing svg{display:block;margin:0 auto}
.cr-graph-page summary{cursor:pointer;font-weight:600;padding:.3rem 0}
.cr-graph-page :focus-visible{outline:3px solid #2a7db0;outline-offset:2px}
.cr-graph-page .drawing .node:focus-visible{outline:none}
.cr-graph-page .table{overflow-x:auto}
.cr-graph-page table{border-collapse:collapse;margin:.5rem 0}
.cr-graph-page th,.cr-graph-page td{padding:.3rem .8rem;border-bottom:1px solid #8c959f66;text-align:left;
vertical-align:top}
.cr-graph-page td.number{text-align:right;font-variant-numeric:tabular-nums}
.cr-graph-page math{display:inline-block;margin:.1rem 0}
"""


def page(svg: str, vertices: Sequence[Vertex], scene: Scene, lang: str) -> str:
    """Return a page of its own."""
    title = escape(TEXT[lang]["title"])
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n{CSP}\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        f"{sections(svg, vertices, scene, lang)}\n</main>\n</body>\n</html>\n"
    )


def sections(svg: str, vertices: Sequence[Vertex], scene: Scene, lang: str) -> str:
    """Return what stands in the body of a page, or in a notebook's cell."""
    words = TEXT[lang]
    parts = [
        f'<div class="cr-graph-page" lang="{lang}"><style>{_INNER_STYLE}</style>',
        _drawing(svg, lang),
        f"<p>{escape(words['reading'])}</p>",
        *(_opened(fold, lang) for fold in scene.folds),
        _rules(vertices, lang),
        "</div>",
    ]
    return "\n".join(parts)


def _drawing(svg: str, lang: str) -> str:
    label = escape(TEXT[lang]["region"])
    return f'<div class="drawing" role="region" tabindex="0" aria-label="{label}">{svg}</div>'


def _opened(fold: Fold, lang: str) -> str:
    words = TEXT[lang]
    name = words["fold"].format(name=block_name(fold, lang), n=len(fold.copies))
    inside = draw(stage_block(fold), lang, fold.paths()[0] or words["block"], [])
    return (
        f"<details><summary>{escape(name)}</summary>\n<p>{escape(words['first'])}</p>\n{_drawing(inside, lang)}\n"
        f"{_copies(fold, lang)}\n</details>"
    )


def _copies(fold: Fold, lang: str) -> str:
    """Return a table with a row for each copy: how gradients fare along the depth."""
    words = TEXT[lang]
    rows = []
    for k, (copy, path) in enumerate(zip(fold.copies, fold.paths(), strict=True), 1):
        gradients = gradient_norm([v for v in copy if v.kind == "parameter"])
        cells = [path or str(k), amount(copy[-1].value), f"‖{gradients}‖" if gradients else ""]
        rows.append(_row(cells))
    return _table([words["copy"], words["norm_output"], words["norm_gradient"]], rows)


def _row(cells: Sequence[str]) -> str:
    first, *others = map(escape, cells)
    return f"<tr><td>{first}</td>" + "".join(f'<td class="number">{cell}</td>' for cell in others) + "</tr>"


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _rules(vertices: Sequence[Vertex], lang: str) -> str:
    words = TEXT[lang]
    uses = Counter(v.op for v in vertices if v.op is not None and hasattr(v.op, "formulas"))
    rows = [
        f'<tr><th scope="row">{escape(op.name)}</th><td class="number">{count}</td>'
        f"<td>{_typeset(op.formulas().get('primal', ''))}</td><td>{'<br>'.join(_local(op))}</td></tr>"
        for op, count in sorted(uses.items(), key=lambda item: -item[1])
    ]
    heads = [words["operation"], words["uses"], words["formula"], words["local"]]
    return f"<details><summary>{escape(words['rules'])}</summary>\n{_table(heads, rows)}\n</details>"


def _local(op: Any) -> Iterator[str]:
    for name, formula in op.formulas().items():
        if name not in ("primal", "jvp"):
            yield _typeset(formula)


def _typeset(latex: str) -> str:
    """Return a formula as MathML, or as it is written where the extra that converts it is not installed."""
    try:
        from latex2mathml.converter import convert
    except ModuleNotFoundError:
        return f"<code>{escape(latex)}</code>"
    return mathml(convert, latex) if latex else ""
