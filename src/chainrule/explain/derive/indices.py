"""The letters that are indices in a derivation's formulas."""

import re
from collections.abc import Iterable, Iterator

from chainrule.present.unicode_math import group

from .steps import Step

_WORDS = re.compile(r"\\(?:text|mathrm|operatorname\*?)\s*\{[^{}]*\}")
_INDEX = re.compile(r"(?<![A-Za-z\\])(?:[a-z](?![A-Za-z_^])|[a-z]+(?![A-Za-z_^]))")


def indices_in(steps: Iterable[Step]) -> frozenset[str]:
    """Return the letters that stand in subscripts without one of their own."""
    found: set[str] = set()
    for step in steps:
        for latex in (step.formula, *(line.latex for line in step.lines)):
            found.update(indices_of(latex))
    return frozenset(found)


def indices_of(latex: str) -> set[str]:
    r"""Return the indices of one formula; `y` in $z_{i y_i}$ is an array that holds one, and no index itself.

    >>> sorted(indices_of(r"\bar W_{mn} = \sum_{i, j} \bar z_{ij} [j = n]")), sorted(indices_of("z_{i y_i} + e^x"))
    (['i', 'j', 'm', 'n'], ['i'])
    """
    return {
        letter for inside in _subscripts(_WORDS.sub("", latex)) for word in _INDEX.findall(inside) for letter in word
    }


def _subscripts(latex: str) -> Iterator[str]:
    for match in re.finditer("_", latex):
        if not latex[: match.start()].endswith("|"):  # what stands behind a bar is a value
            yield group(latex, match.end())[0]
