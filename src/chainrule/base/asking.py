"""Generated functions: at every call of a compiled function, loops over conditions would cost more."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def asking(parts: Sequence[str], space: Mapping[str, Any], given: str = "") -> Callable[..., bool]:
    """Return the function of `given` that says whether all conditions hold: source code over the names in `space`.

    >>> x = [1]
    >>> holds = asking(["x[0] is one", "len(x) == 1"], {"x": x, "one": x[0]})
    >>> holds(), x.append(2), holds()
    (True, None, False)
    """
    return made_of([f"return {' and '.join(parts) or 'True'}"], space, given)


def made_of(lines: Sequence[str], space: Mapping[str, Any], given: str = "") -> Callable[..., Any]:
    """Return the function of `given` whose body are these lines of source code, over the names in `space`."""
    # As a closure: closure variables are faster to look up than globals.
    body = "\n".join(f"        {line}" for line in lines)
    text = f"def make({', '.join(space)}):\n    def made({given}):\n{body}\n    return made\n"
    found: dict[str, Any] = {}
    exec(_compiled(text), found)
    return found["make"](*space.values())  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=64)
def _compiled(text: str) -> Any:
    return compile(text, "<conditions of a compiled function>", "exec")
