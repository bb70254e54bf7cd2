"""The explorer in a notebook: the page's own modules, with anywidget's messages in place of a server."""

from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from .desk import Desk
from .page.assets import script, sheet
from .page.pages import config
from .page.shell import shell

if TYPE_CHECKING:
    from .explorer import Explorer

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


class Widget(anywidget.AnyWidget):  # type: ignore[misc]
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


def widget_of(explorer: "Explorer") -> Widget:
    """Return the widget of an explorer, with the explorer's own session."""
    frame = shell(explorer.lang, heading=3)
    return Widget(Desk(explorer.session, explorer.lang), shell=str(frame), config=config(explorer.lang))
