"""Writes the sources of one language's site: the repository's pages with their links, and the pages that are made."""

import re
import shutil
from collections.abc import Mapping
from html import escape
from pathlib import Path
from types import MappingProxyType

import gallery
import reference
from contents import DOCS, ROOT, Section, anchors, page_at, relinked, sections, source_of, with_note
from pages import outside_code, title_of, units_of
from texts import words

import rules

_LANGUAGE_LINK = re.compile(r"(?: · | |^)\(?\[(?:English|한국어)\]\([^)]*\)\)?", re.MULTILINE)
"""A link to the same page in the other language: the site has a switch for that."""
_NET = re.compile(r"^\[([^\]]+)\]\(\.\./nets/(\w+)\.py\)(.*(?:\n.*\S.*)*)", re.MULTILINE)
"""The paragraph of a chapter that links the program of its network."""
_FRAME = """<a href="{page}">{label}</a>{rest}

```{{raw}} html
<iframe class="site-explorer" src="{page}" title="{title}" loading="lazy"></iframe>
```

<a href="{page}">{open}</a> · {said}
"""


class Stage:
    """The folder of one language's sources."""

    def __init__(self, folder: Path, lang: str) -> None:
        self.folder, self.lang = folder, lang
        self.anchor = anchors(lang)

    def write(self, page: str, text: str) -> None:
        """Write a page."""
        path = self.folder / f"{page}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def copy(self, path: str) -> str:
        """Take a file of `docs/` along, and return where it is, seen from the root."""
        place = Path(path).relative_to("docs")
        (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, self.folder / place)
        return place.as_posix()

    def page(self, name: str) -> None:
        """Write a page of the repository."""
        text, path, left = source_of(name, self.lang)
        self.write(name, self.linked(with_note(text, left, self.lang), path, name))

    def linked(self, text: str, path: str, page: str) -> str:
        """Return a text of the repository with the links of the site."""
        return relinked(text, path, page, self.anchor, self.copy)


def stage(folder: Path, lang: str, examples: list[gallery.Example]) -> None:
    """Write all sources of one language."""
    shutil.rmtree(folder, ignore_errors=True)
    to = Stage(folder, lang)
    found = sections(lang)
    top = [section.slug for section in found]
    has_course = _course(to)
    top[2:2] = ["course/index"] * has_course
    top.insert(-2, "gallery/index")
    _index(to, top)
    for section in found:
        _section(to, section)
        for page in section.pages:
            if not page.endswith("/index"):
                to.page(page)
    for made in (rules.pages(lang), reference.pages(lang), gallery.pages(lang, examples)):
        for page, text in made:
            to.write(page, text)
    for example in examples:
        source = ROOT / "examples" / f"{example.name}.py"
        shutil.copyfile(source, folder / "gallery" / source.name)
        (folder / "gallery" / f"{example.name}.ipynb").write_text(gallery.notebook(example), encoding="utf-8")
    _nothing_is_missing(to)


def _toctree(pages: list[str], titles: Mapping[str, str] = MappingProxyType({})) -> str:
    lines = "\n".join(f"{titles[page]} </{page}>" if page in titles else f"/{page}" for page in pages)
    return f"\n```{{toctree}}\n:hidden:\n\n{lines}\n```\n"


def _index(to: Stage, top: list[str]) -> None:
    text, path, left = source_of("index", to.lang)
    text = _LANGUAGE_LINK.sub("", text)
    to.write(
        "index",
        to.linked(with_note(text, left, to.lang), path, "index")
        + _toctree(top, {"course/index": words(to.lang)["course"]}),
    )


def _section(to: Stage, section: Section) -> None:
    path = "docs/ko/README.md" if to.lang == "ko" and (DOCS / "ko" / "README.md").exists() else "docs/README.md"
    table = "\n".join(line for line in section.body.splitlines() if line.startswith("|"))
    table = _LANGUAGE_LINK.sub("", table)
    say = words(to.lang)
    more = "".join(
        f"\n- [{say[page.partition('/')[0]]}]({page}.md)" for page in section.pages if page.endswith("/index")
    )
    body = to.linked(f"{table}\n", path, section.slug)
    to.write(section.slug, f"# {section.title}\n\n{body}{more}\n{_toctree([*section.pages])}")


def _course(to: Stage) -> bool:
    """Write the course, if it is there; return whether it is."""
    folder = DOCS / "course" / to.lang
    paths = sorted(folder.glob("*.md"))
    chapters = []
    for path in paths:
        page = page_at(path.relative_to(ROOT).as_posix())
        assert page is not None
        text = with_explorer(_LANGUAGE_LINK.sub("", path.read_text(encoding="utf-8")), to.lang)
        to.write(page, to.linked(text, path.relative_to(ROOT).as_posix(), page))
        chapters += [page] * (page != "course/index")
    if chapters:
        index = to.folder / "course" / "index.md"
        index.write_text(index.read_text(encoding="utf-8") + _toctree(chapters), encoding="utf-8")
    return bool(chapters)


def with_explorer(text: str, lang: str) -> str:
    r"""Return a chapter with the recording of its network below the paragraph that links the network's program.

    >>> print(with_explorer("# 2. One\n\n[Open it](../nets/neuron.py): change x.\n", "en"))  # doctest: +ELLIPSIS
    # 2. One
    <BLANKLINE>
    <a href="explorer/neuron.html">Open it</a>: change x.
    <BLANKLINE>
    ```{raw} html
    <iframe class="site-explorer" src="explorer/neuron.html" title="2. One: explorer" loading="lazy"></iframe>
    ```
    ...
    """
    say = words(lang)

    def framed(match: re.Match[str]) -> str:
        label, name, rest = match.groups()
        return _FRAME.format(
            page=f"explorer/{name}.html",
            label=label,
            rest=rest,
            title=escape(say("explorer of", chapter=title_of(text))),
            open=say["explorer open"],
            said=say("explorer said", program=f"[{name}.py](../nets/{name}.py)", name=name),
        ).rstrip("\n")

    return outside_code(text, _NET, framed)


def _nothing_is_missing(to: Stage) -> None:
    """Every page in docs/ must be on the site."""
    for path in sorted(DOCS.glob("*.md")):
        page = page_at(path.relative_to(ROOT).as_posix())
        if not (to.folder / f"{page}.md").exists():
            raise ValueError(f"docs/{path.name} is in no section of docs/README.md: add a row for it")
        if not units_of(path.read_text(encoding="utf-8")):
            raise ValueError(f"docs/{path.name} is empty")
