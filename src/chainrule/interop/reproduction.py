"""A check of another library's code as Python text."""

from collections.abc import Mapping
from typing import Any

LONGEST = 1200
"""Characters up to which an array is written out."""


def reproduction(library: str, f: Any, arguments: Mapping[str, str], seed: int) -> str:
    """Return the text, or an empty string where it would be too long or f is the library's own.

    `arguments` are expressions, by name.
    """
    module, path = getattr(f, "__module__", "") or "", getattr(f, "__qualname__", "")
    if module.partition(".")[0] in ("", library) or any(
        len(text) > LONGEST or not name.isidentifier() for name, text in arguments.items()
    ):
        return ""
    name = getattr(f, "__name__", "f")
    if module != "__main__" and path.isidentifier():
        origin = f"from {module} import {name}"
    else:
        origin = f"# {name}: {path or type(f).__name__}, as in your code"
    lines = [f"import {library}", "import chainrule as cr", origin, *(f"{n} = {text}" for n, text in arguments.items())]
    lines.append(f"print(cr.check_{library}({', '.join([name, *arguments])}, seed={seed}))")
    return "\n".join(lines)
