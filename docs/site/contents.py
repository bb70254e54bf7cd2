"""What is on the site, and where: its sections are those of docs/README.md, and so is the order of their pages."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pages import LINK, outside_code, slugs_of, title_of, units_of
from texts import words
from translation import korean_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OUTSIDE = {
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changelog",
    "README.md": "index",
    "README.ko.md": "index",
    "docs/README.md": "index",
    "docs/ko/README.md": "index",
    "examples": "gallery/index",
}
"""Files with a page of another name."""
BUILT = {"Reference": ("api/index", "rules/index")}
"""Pages that the builder makes, by the section to which they belong."""


_LINK = re.compile(r"(?<!!)\[((?:[^\[\]`]|`[^`]*`)*)\]\((?![a-z]+:|#|/)([^)#\s]+)(#[^)\s]*)?\)")
_PICTURE = re.compile(r"(!\[[^\]]*\]\(|(?:src|srcset)=\")(?![a-z]+:|/|#)([^)\s\"]+)")


@dataclass(frozen=True)
class Section:
    """A section of the site: its English title, the one that is shown, what it begins with, and its pages."""

    key: str
    title: str
    body: str
    pages: tuple[str, ...]

    @property
    def slug(self) -> str:
        """The name of its page."""
        return self.key.lower().replace(" ", "-")


def page_at(path: str) -> str | None:
    """Return the page of the site for a file of the repository, or None if it has none.

    >>> page_at("docs/tensors.md"), page_at("docs/ko/tensors.md"), page_at("CHANGELOG.md"), page_at("LICENSE")
    ('tensors', 'tensors', 'changelog', None)
    >>> page_at("docs/course/ko/01-slope.md"), page_at("examples/xor.py")
    ('course/01-slope', 'gallery/xor')
    """
    if path in OUTSIDE:
        return OUTSIDE[path]
    if course := re.fullmatch(r"docs/course/(?:en|ko)/(.+)\.md", path):
        return f"course/{'index' if course[1] == 'README' else course[1]}"
    if path in ("docs/course", "docs/course/en", "docs/course/ko", "docs/course/README.md"):
        return "course/index"
    if page := re.fullmatch(r"docs/(?:ko/)?([\w-]+)\.md", path):
        return page[1]
    if example := re.fullmatch(r"examples/(\w+)\.py", path):
        return f"gallery/{example[1]}"
    return None


def source_of(name: str, lang: str) -> tuple[str, str, int | None]:
    """Return a page's text, the file that its links start from, and how many units are still in English.

    The count is None if the page is in English altogether (or is asked for in English).
    """
    if name in ("contributing", "changelog"):
        path = f"{name.upper()}.md"
        return (ROOT / path).read_text(encoding="utf-8"), path, None
    page = "README" if name == "index" else name
    translated = korean_of(page) if lang == "ko" else None
    if translated is None:
        return (DOCS / f"{page}.md").read_text(encoding="utf-8"), f"docs/{page}.md", None
    return translated.text, f"docs/ko/{page}.md", len(translated.left)


def sections(lang: str) -> list[Section]:
    """Return the sections, as docs/README.md lists them.

    >>> [section.title for section in sections("en")][:2]
    ['Guide', 'Tools']
    """
    english, _, _ = source_of("index", "en")
    text, path, _ = source_of("index", lang)
    keys = [title for title, _ in _split(english)]
    return [
        Section(key, title, body, (*_pages_in(body, path), *BUILT.get(key, ())))
        for key, (title, body) in zip(keys, _split(text), strict=True)
    ]


def _split(text: str) -> list[tuple[str, str]]:
    """The second-level sections of a page: their titles, and what is below them."""
    lines = text.splitlines()
    starts = [unit.start for unit in units_of(text) if unit.kind == "heading 2"]
    return [
        (lines[start].lstrip("# "), "\n".join(lines[start + 1 : end]).strip())
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)
    ]


def _pages_in(body: str, path: str) -> list[str | None]:
    rows = [unit.text for unit in units_of(body) if unit.kind == "row"]
    links = [link for row in rows if (link := LINK.search(row))]
    found = (page_at(resolved(link[2], path)) for link in links)
    return [page for page in found if page not in (None, "course/index")]  # the course has a place of its own


def resolved(link: str, path: str) -> str:
    """Return the path in the repository that a link in a file leads to.

    >>> resolved("../CONTRIBUTING.md", "docs/ko/a.md"), resolved("a.md", "docs/ko/b.md")
    ('docs/CONTRIBUTING.md', 'docs/ko/a.md')
    """
    return os.path.normpath(Path(path).parent / link).replace("\\", "/")


def relinked(text: str, path: str, page: str, anchor: Callable[[str, str], str], copy: Callable[[str], str]) -> str:
    """Return the text of a file with its links leading to pages of the site.

    `anchor(page, slug)` is the anchor in this language; `copy(path)` takes another file along, such as a picture, and
    returns where it is. A link to a file that has no place on the site becomes its text.
    """
    start = "../" * page.count("/")

    def link(match: re.Match[str]) -> str:
        label, target, slug = match[1], resolved(match[2], path), match[3]
        found = page_at(target)
        if found is None:
            return (
                label
                if target.startswith("..") or not target.startswith("docs/")
                else f"[{label}]({start}{copy(target)})"
            )
        return f"[{label}]({start}{found}.md{f'#{anchor(found, slug[1:])}' if slug else ''})"

    def picture(match: re.Match[str]) -> str:
        return match[1] + start + copy(resolved(match[2], path))

    return outside_code(outside_code(text, _LINK, link), _PICTURE, picture)


def anchors(lang: str) -> Callable[[str, str], str]:
    """Return the function from a page and an English anchor to the anchor in a language."""
    known: dict[str, dict[str, str]] = {}

    def anchor(page: str, slug: str) -> str:
        if lang == "en" or page.startswith(("course/", "gallery/", "rules/", "api/")):
            return slug
        if page not in known:
            english, korean = source_of(page, "en")[0], source_of(page, lang)[0]
            known[page] = dict(zip(slugs_of(english), slugs_of(korean), strict=True))
        return known[page].get(slug, slug)

    return anchor


def with_note(text: str, left: int | None, lang: str) -> str:
    """Return a page with a note below its title on what is in English yet."""
    if lang == "en" or left == 0:
        return text
    say = words(lang)
    note = say["english only"] if left is None else say("partly english", count=left)
    title = f"# {title_of(text)}\n"
    return text.replace(title, f"{title}\n```{{note}}\n{note}\n```\n", 1)
