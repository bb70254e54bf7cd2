"""The explorer in a notebook: the page's own modules, with anywidget's messages in place of a server."""

from typing import Any

import anywidget
import traitlets

from .desk import Desk
from .page.assets import script, sheet
from .page.pages import config
from .page.shell import shell
from .session import Session

RENDER = """
export default {
  render({ model, el }) {
    el.innerHTML = model.get("shell");
    const engine = new Notebook(model);
    const explorer = new Explorer(el.querySelector("[data-explorer]"), engine, model.get("config"));
    explorer.ask({ do: "look" });
    return () => {
      explorer.pause();
      engine.close();
    };
  },
};
"""


class Widget(anywidget.AnyWidget):
    """A view of a desk. Every view in a notebook shows the same session."""

    shell = traitlets.Unicode().tag(sync=True)
    config = traitlets.Dict().tag(sync=True)
    _esm = script(RENDER)
    _css = sheet()

    def __init__(self, desk: Desk, **settings: Any) -> None:
        super().__init__(**settings)
        self.desk = desk
        self.on_msg(self._asked)

    def _asked(self, _: Any, message: Any, __: Any) -> None:
        """Answer one request of a view; anything else is left alone."""
        if isinstance(message, dict) and isinstance(message.get("request"), dict):
            answer = self.desk.handle(message["request"])
            self.send({"id": message.get("id"), "page": message.get("page"), "answer": answer})


def widget_of(session: Session, lang: str) -> Widget:
    """Return a widget on a session."""
    return Widget(Desk(session, lang), shell=str(shell(lang, heading=3)), config=config(lang))
