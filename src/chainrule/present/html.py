"""HTML from Python: every text is escaped unless it is `Markup` already."""

from collections.abc import Iterable
from typing import Any

from . import escape

_EMPTY = frozenset({"meta", "img", "br", "rect", "circle", "line", "path", "polyline"})
"""Elements that have no end tag; those of SVG only where there is nothing in them."""


class Markup(str):
    """A piece of HTML that is whole, so that it is not escaped again."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """Return an element. Children are text, which is escaped, `Markup`, numbers, None, or iterables of these.

    In an attribute's name `_` stands for `-`, and one at the end is dropped. An attribute that is None or False is left
    out, one that is True has no value.

    >>> print(tag("p", "a < b", tag("b", 1), class_="note", aria_label='"', hidden=None))
    <p class="note" aria-label="&quot;">a &lt; b<b>1</b></p>
    """
    said = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    inside = join(*children)
    if not inside and name in _EMPTY:
        return Markup(f"<{name}{said}/>")
    return Markup(f"<{name}{said}>{inside}</{name}>")


def join(*children: Any) -> Markup:
    """Return children one after the other.

    >>> join("<", [Markup("<br>"), None], 2)
    '&lt;<br>2'
    """
    return Markup("".join(_pieces(children)))


def coded(text: str) -> Markup:
    """Return a text in which what stands between backticks is code.

    >>> coded("line 3 has `a < b`"), coded("a ` alone")
    ('line 3 has <code>a &lt; b</code>', 'a ` alone')
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return join(text)
    return join(tag("code", part) if k % 2 else part for k, part in enumerate(parts))


def _pieces(children: Iterable[Any]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str):
            yield escape.html(child)
        elif isinstance(child, Iterable):
            yield from _pieces(child)
        elif child is not None:
            yield escape.html(str(child))


def _attribute(key: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return f" {key}"
    return f' {key}="{escape.html(f"{value:.5g}" if isinstance(value, float) else str(value))}"'
