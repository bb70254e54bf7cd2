"""The desks of all pages: each page has its own, so that two of them do not disturb each other."""

from collections.abc import Callable, Mapping
from typing import Any

from chainrule.explore.desk import Desk
from chainrule.explore.gallery import GALLERY
from chainrule.explore.view import state

from .pages import MOST, Pages, page_name

__all__ = ["MOST", "Hub"]


class Hub:
    """Desks by the names that pages give themselves. `make` returns a new one, or None if there is only the gallery."""

    def __init__(self, make: Callable[[], Desk | None], lang: str) -> None:
        self._make, self.lang = make, lang
        self._desks: Pages[Desk] = Pages()

    def act(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a page; ValueError if it has no proper name."""
        page = page_name(request)
        if request.get("do") == "load":
            error = self._load(page, request.get("example"))
            if error:
                return {"error": error}
            desk = self.desk(page)
            return {} if desk is None else desk.handle({"do": "look"})
        if request.get("do") == "replay" and isinstance(request.get("example"), str):
            error = self._load(page, request["example"])
            if error:
                return {"error": error}
        desk = self.desk(page)
        return {} if desk is None else desk.handle(request)

    def desk(self, page: str | None) -> Desk | None:
        """Return a page's desk, new if need be; without a page, the one used last."""
        return self._desks.of(page or self._desks.latest() or "program", self._make)

    def _load(self, page: str, key: Any) -> str:
        if not isinstance(key, str) or key not in GALLERY:
            return f"example: expected one of {', '.join(GALLERY)}, got {str(key)[:40]!r}"
        desk = Desk(GALLERY[key].session(), self.lang)
        desk.example = key
        self._desks.put(page, desk)
        return ""

    def state(self, page: str | None) -> dict[str, Any]:
        """Return the state of a page for programs; ValueError if nothing has been chosen from the gallery yet."""
        desk = self.desk(page)
        if desk is None:
            raise ValueError("nothing is explored yet: choose a network from the gallery")
        with desk.lock:
            return state(desk.session)
