"""A page of Markdown as a list of units: what is translated one by one, and code, which is the same in every language.

A unit is a heading, a paragraph (also one inside a list), a row of a table, a piece of HTML, or a block of code, with
the lines that it takes up. No line belongs to two units.
"""

import hashlib
import re
from dataclasses import dataclass

from markdown_it import MarkdownIt

_KINDS = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
    "tr_open": "row",
    "html_block": "html",
    "fence": "code",
    "code_block": "code",
}
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_NOT_PROSE = re.compile(
    r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)|<[^>]*>|\b(?:PyTorch|TensorBoard|NumPy|SciPy|chainrule|autograd)\b"
)
_SLUG_DROPS = re.compile(r"[^\w\- ]")
_INLINE_MARKS = re.compile(r"[`*]|\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Unit:
    """One unit of a page: its kind ("heading 2", "paragraph", "row", "html", "code"), its lines and their text."""

    kind: str
    start: int
    end: int
    text: str

    @property
    def is_code(self) -> bool:
        """Whether it is a block of code."""
        return self.kind == "code"

    @property
    def fingerprint(self) -> str:
        r"""Eight digits that change with its words, but not with where its lines break.

        >>> a, b = (units_of(text)[0].fingerprint for text in ("one two", "one\ntwo"))
        >>> a == b, len(a)
        (True, 8)
        """
        return hashlib.sha256(" ".join(self.text.split()).encode()).hexdigest()[:8]

    @property
    def has_words(self) -> bool:
        """Whether there is anything to translate: a row of formulas or names of functions is the same in Korean.

        >>> [units_of(text)[0].has_words for text in ("a line", "| `loss` | [k, n] |", "z = W x + b")]
        [True, False, False]
        """
        return not self.is_code and re.search("[A-Za-z][a-z]{2}", _NOT_PROSE.sub("", self.text)) is not None


def units_of(text: str) -> list[Unit]:
    r"""Return the units of a page, in order.

    >>> page = "# Title\n\nText\nover two lines.\n\n- an item\n\n```python\nx = 1\n```\n"
    >>> [(unit.kind, unit.start, unit.end) for unit in units_of(page)]
    [('heading 1', 0, 1), ('paragraph', 2, 4), ('paragraph', 5, 6), ('code', 7, 10)]
    """
    lines = text.splitlines()
    units = []
    for token in _MARKDOWN.parse(text):
        kind = _KINDS.get(token.type)
        if kind is None or token.map is None:
            continue
        start, end = token.map
        while end > start + 1 and not lines[end - 1].strip():
            end -= 1
        if kind == "heading":
            kind = f"heading {token.tag[1:]}"
        units.append(Unit(kind, start, end, "\n".join(lines[start:end])))
    return units


def slugs_of(text: str) -> list[str]:
    r"""Return the anchors of a page's headings, as GitHub and Sphinx name them.

    >>> slugs_of("# One, two\n\n## `f` of x\n\n## `f` of x\n")
    ['one-two', 'f-of-x', 'f-of-x-1']
    """
    found: list[str] = []
    seen: dict[str, int] = {}
    for unit in units_of(text):
        if not unit.kind.startswith("heading"):
            continue
        title = _INLINE_MARKS.sub(lambda match: match[1] or "", unit.text.strip().lstrip("#").strip())
        slug = _SLUG_DROPS.sub("", title.lower()).replace(" ", "-")
        again = seen.get(slug, 0)
        seen[slug] = again + 1
        found.append(f"{slug}-{again}" if again else slug)
    return found


def title_of(text: str) -> str:
    """Return the first heading of a page, without its marks."""
    first = next(unit for unit in units_of(text) if unit.kind == "heading 1")
    return first.text.lstrip("#").strip()


LINK = re.compile(r"(\]\(|(?:src|srcset|href)=\")(?![a-z]+:|/|#)([^)#\s\"]+)")
"""The beginning and the path of a link to another file of the repository."""


def outside_code(text: str, change: "re.Pattern[str]", by: object) -> str:
    r"""Return a page with a pattern replaced in all its units but the blocks of code.

    >>> outside_code("a\n\n```text\na\n```\n", re.compile("a"), "b")
    'b\n\n```text\na\n```\n'
    """
    lines = text.splitlines()
    code = {line for unit in units_of(text) if unit.is_code for line in range(unit.start, unit.end)}
    parts, start = [], 0
    while start < len(lines):
        end = start
        while end < len(lines) and (end in code) == (start in code):
            end += 1
        part = "\n".join(lines[start:end])
        parts.append(part if start in code else change.sub(by, part))  # type: ignore[call-overload]
        start = end
    return "\n".join(parts) + "\n"
