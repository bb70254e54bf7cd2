"""Formulas of the site as MathML, written when it is built by the package itself: no script, no font to load."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from chainrule.present.mathematics import formula

_LOG = logging.getLogger(__name__)
_TOKEN = re.compile(r"\\[a-z]+|\\.|[{}]")


def mathml(latex: str, display: str) -> str:
    """Return LaTeX as MathML, `display` being "inline" or "block".

    >>> mathml("x^2", "block").startswith('<math display="block"')
    True
    """
    parts = parts_of(" ".join(latex.split())) if display == "block" else [latex]
    written = [str(formula(" ".join(part.split()))) for part in parts]
    if not all(text.startswith("<math") for text in written):
        raise ValueError(f"no MathML for {latex!r}: is latex2mathml installed (the extra 'app')?")
    return " ".join(text.replace('display="inline"', f'display="{display}"', 1) for text in written)


def parts_of(latex: str) -> list[str]:
    r"""Return what stands between the wide spaces of a formula: there a line may break on a narrow screen.

    >>> parts_of(r"a = 1, \qquad b = \begin{pmatrix} 1 \qquad 2 \end{pmatrix}")
    ['a = 1,', 'b = \\begin{pmatrix} 1 \\qquad 2 \\end{pmatrix}']
    """
    depth, start, parts = 0, 0, []
    for token in _TOKEN.finditer(latex):
        if token[0] in ("{", r"\begin", r"\left"):
            depth += 1
        elif token[0] in ("}", r"\end", r"\right"):
            depth -= 1
        elif token[0] == r"\qquad" and depth == 0:
            parts.append(latex[start : token.start()])
            start = token.end()
    return [text for part in [*parts, latex[start:]] if (text := part.strip())]


def _write(self: nodes.NodeVisitor, node: nodes.Element, display: str) -> None:
    try:
        text = mathml(node.astext(), display)
    except ValueError as error:
        _LOG.warning("%s", error, location=node)
        text = node.astext()
    # A wide formula scrolls by itself, also by keyboard, and not the page.
    wide = f'<div class="math" tabindex="0">{text}</div>' if display == "block" else text
    self.body.append(wide)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer as "mathml"."""
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(lambda self, node: _write(self, node, "inline"), None),
        block_renderers=(lambda self, node: _write(self, node, "block"), None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
