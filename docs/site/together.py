"""A condition in brackets, such as [z > 0], stays on one line of the site."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_CONDITION = re.compile(r"\[[^\s\[\]]{1,4} [=<>≠≤≥] [^\s\[\]]{1,4}\]")
_VERBATIM = (nodes.math, nodes.math_block, nodes.literal, nodes.literal_block, nodes.raw)


def together(text: str) -> str:
    r"""Return a text with the spaces in its conditions made non-breaking.

    >>> together("[z > 0] and [a, b > 0]")
    '[z\xa0>\xa00] and [a, b > 0]'
    """
    return _CONDITION.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


class Together(SphinxTransform):
    """Keeps conditions together in all that is prose."""

    default_priority = 800

    def apply(self, **_: object) -> None:
        """Replace each text that has a condition in it."""
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, _VERBATIM) and (changed := together(text.astext())) != text.astext():
                text.parent.replace(text, nodes.Text(changed))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_transform(Together)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
