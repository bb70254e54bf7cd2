"""What each page of a server has of its own: two of them do not disturb each other."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

MOST = 32
"""The most pages that are kept; the one unused for longest is forgotten."""
_NAME = re.compile(r"[A-Za-z0-9]{1,32}")
T = TypeVar("T")


class Pages(Generic[T]):
    """Something of one kind for each page, by the names that pages give themselves.

    >>> pages = Pages()
    >>> pages.of("a", dict) is pages.of("a", dict), pages.of("a", dict) is pages.of("b", dict)
    (True, False)
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, page: str, make: Callable[[], T | None]) -> T | None:
        """Return what a page has, made anew if need be; None if there is nothing to make."""
        with self._lock:
            if page not in self._kept:
                made = make()
                if made is None:
                    return None
                self._keep(page, made)
            self._kept.move_to_end(page)
            return self._kept[page]

    def put(self, page: str, thing: T) -> None:
        """Replace what a page has."""
        with self._lock:
            self._keep(page, thing)
            self._kept.move_to_end(page)

    def latest(self) -> str | None:
        """Return the page used last."""
        with self._lock:
            return next(reversed(self._kept), None)

    def _keep(self, page: str, thing: T) -> None:
        self._kept[page] = thing
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)


def page_name(request: Mapping[str, Any]) -> str:
    """Return the name of the page that asks; ValueError if it is none."""
    page = request.get("page")
    if not isinstance(page, str) or not _NAME.fullmatch(page):
        raise ValueError("page: expected up to 32 letters and digits")
    return page
