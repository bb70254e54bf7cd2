"""Conditions as one generated function: at every call of a compiled function, loops over them would cost more."""

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
    # As a closure: closure variables are faster to look up than globals.
    names = ", ".join(space)
    text = f"def make({names}):\n    return lambda {given}: {' and '.join(parts) or 'True'}\n"
    made: dict[str, Any] = {}
    exec(_compiled(text), made)
    return made["make"](*space.values())  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=64)
def _compiled(text: str) -> Any:
    return compile(text, "<conditions of a compiled function>", "exec")
