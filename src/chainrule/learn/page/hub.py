"""The sessions of all pages, and the server with its files."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chainrule.explore.page.assets import joined, text_of
from chainrule.explore.page.pages import GROUND
from chainrule.explore.server.http import Server
from chainrule.explore.server.pages import Pages, page_name
from chainrule.learn.practice import Practice
from chainrule.present.page import style

from .desk import PracticeDesk
from .shell import page


class PracticeHub:
    """A desk for each page. `make` returns a new session."""

    def __init__(self, make: Callable[[], Practice], folder: Path | None = None) -> None:
        self._make, self._folder = make, folder
        self.lang = make().lang
        self._desks: Pages[PracticeDesk] = Pages()

    def desk(self, page: str) -> PracticeDesk:
        """Return a page's desk, new if need be."""
        found = self._desks.of(page, lambda: PracticeDesk(self._make(), self._folder))
        assert found is not None
        return found

    def act(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a page; ValueError if it has no proper name or asks for something unknown."""
        return self.desk(page_name(request)).handle(request)

    def state(self, page: str | None) -> dict[str, Any]:
        """Return the score of a page for programs; ValueError before any page was opened."""
        name = page or self._desks.latest()
        if name is None:
            raise ValueError("nothing is practised yet: open the page")
        session = self.desk(name).session
        return {"right": session.right, "asked": session.asked, "level": session.level, "topic": session.topic}


@cache
def _script() -> str:
    here = Path(__file__).with_name("practice.js").read_text(encoding="utf-8")
    return joined([text_of("dom.js"), text_of("served.js"), here]) + "start();\n"


@cache
def _sheet() -> str:
    return GROUND + style() + Path(__file__).with_name("practice.css").read_text(encoding="utf-8")


def practice_server(make: Callable[[], Practice], port: int = 0, folder: Path | None = None) -> Server:
    """Return a server of practice, not yet started; answers are kept in `folder` (default: the user's data folder).

    Raises ValueError for settings that `Practice` refuses, and for a port that is none.

    >>> server = practice_server(lambda: Practice("neuron"))
    >>> server.url()
    'http://127.0.0.1:.../?token=...'
    >>> server.close()
    """
    hub = PracticeHub(make, folder)
    files = {
        "/": (page(hub.lang), "text/html"),
        "/practice.js": (_script(), "text/javascript"),
        "/practice.css": (_sheet(), "text/css"),
    }
    return Server(hub, port, files=files)
