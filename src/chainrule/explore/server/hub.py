"""The desks of all pages: each page has its own, so that two of them do not disturb each other."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from chainrule.explore.desk import Desk
from chainrule.explore.gallery import GALLERY
from chainrule.explore.view import state

MOST = 32
"""The most pages that are kept; the one unused for longest is forgotten."""
_NAME = re.compile(r"[A-Za-z0-9]{1,32}")


class Hub:
    """Desks by the names that pages give themselves. `make` returns a new one, or None if there is only the gallery."""

    def __init__(self, make: Callable[[], Desk | None], lang: str) -> None:
        self._make, self.lang = make, lang
        self._desks: OrderedDict[str, Desk] = OrderedDict()
        self._lock = threading.Lock()

    def act(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a page; ValueError if it has no proper name."""
        page = request.get("page")
        if not isinstance(page, str) or not _NAME.fullmatch(page):
            raise ValueError("page: expected up to 32 letters and digits")
        if request.get("do") == "load":
            error = self._load(page, request.get("example"))
            if error:
                return {"error": error}
            return self._desks[page].handle({"do": "look"})
        if request.get("do") == "replay" and isinstance(request.get("example"), str):
            error = self._load(page, request["example"])
            if error:
                return {"error": error}
        desk = self.desk(page)
        return {} if desk is None else desk.handle(request)

    def desk(self, page: str | None) -> Desk | None:
        """Return a page's desk, new if need be; without a page, the one used last."""
        with self._lock:
            if page is None:
                page = next(reversed(self._desks), "program")
            if page not in self._desks:
                made = self._make()
                if made is None:
                    return None
                self._keep(page, made)
            self._desks.move_to_end(page)
            return self._desks[page]

    def _load(self, page: str, key: Any) -> str:
        if key not in GALLERY:
            return f"example: expected one of {', '.join(GALLERY)}, got {str(key)[:40]!r}"
        desk = Desk(GALLERY[key].session(), self.lang)
        desk.example = key
        with self._lock:
            self._keep(page, desk)
            self._desks.move_to_end(page)
        return ""

    def _keep(self, page: str, desk: Desk) -> None:
        self._desks[page] = desk
        while len(self._desks) > MOST:
            self._desks.popitem(last=False)

    def state(self, page: str | None) -> dict[str, Any]:
        """Return the state of a page for programs; ValueError if nothing has been chosen from the gallery yet."""
        desk = self.desk(page)
        if desk is None:
            raise ValueError("nothing is explored yet: choose a network from the gallery")
        with desk.lock:
            return state(desk.session)
