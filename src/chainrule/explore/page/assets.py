"""The modules of the page as one script, and its style sheet."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from chainrule.present.page import style

MODULES = ("dom", "served", "graph", "fields", "engines", "main", "start")
"""Each after those that it imports."""
_IMPORT = re.compile(r"^import .*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def text_of(name: str) -> str:
    """Return a file of this folder."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


@cache
def script(last: str = "start();\n") -> str:
    """Return the modules one after the other, as one module that ends with `last`."""
    return joined(text_of(f"{name}.js") for name in MODULES) + last


def joined(modules: Iterable[str]) -> str:
    """Return modules as one, without their imports and exports."""
    return "".join(_EXPORT.sub("", _IMPORT.sub("", module)) for module in modules)


@cache
def sheet() -> str:
    """Return the style of a page that holds the explorer."""
    return style() + text_of("graph.css") + text_of("explorer.css")
