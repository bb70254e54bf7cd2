"""Formulas of the site as MathML, written when it is built by the package itself: no script, no font to load."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from chainrule.present.mathematics import formula

_LOG = logging.getLogger(__name__)


def mathml(latex: str, display: str) -> str:
    """Return LaTeX as MathML, `display` being "inline" or "block".

    >>> mathml("x^2", "block").startswith('<math display="block"')
    True
    """
    text = str(formula(" ".join(latex.split())))
    if not text.startswith("<math"):
        raise ValueError(f"no MathML for {latex!r}: is latex2mathml installed (the extra 'app')?")
    return text.replace('display="inline"', f'display="{display}"', 1)


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
