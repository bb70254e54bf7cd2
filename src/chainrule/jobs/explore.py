"""What `chainrule explore` opens: a function or model in a file, a trained network, or the gallery."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.core.tensor import Tensor
from chainrule.explore.explorer import Explorer, explore
from chainrule.explore.server.http import Server
from chainrule.explore.server.hub import Hub
from chainrule.explore.training import rule_of
from chainrule.present.texts import check_lang

from .criterion import of_rows
from .targets import InputSource, call_of


@dataclass(frozen=True)
class Opened:
    """What is explored, None for the gallery; with the source of its inputs, the optimiser and the language."""

    target: str | None
    source: InputSource
    optimizer: Any = "SGD"
    lang: str = "en"

    def explorer(self) -> Explorer:
        """Return the explorer of the target; ValueError without one, and what `explore` raises."""
        if self.target is None:
            raise ValueError("explore: --out needs something to record: chainrule explore FILE.py:NAME -o page.html")
        call = call_of(self.target, self.source)
        if isinstance(call.subject, Tensor):
            raise TypeError(f"explore: {self.target} is a tensor; name the function that computes it")
        with of_rows(self.source.loss, self.source.target, call.args, call.target):
            return explore(
                call.subject,
                *call.args,
                loss=call.loss,
                target=call.target,
                optimizer=self.optimizer,
                lang=self.lang,
            )


def opened(chosen: Opened, port: int) -> Server:
    """Return a running server for a target or the gallery; what is wrong with the target is raised before it runs."""
    check_lang(chosen.lang)
    rule_of(chosen.optimizer)
    if chosen.target is None:
        server = Server(Hub(lambda: None, chosen.lang), port, with_gallery=True)
    else:
        server = chosen.explorer().server(port)
    server.start()
    return server


def recorded_to(path: Path, chosen: Opened, steps: int) -> None:
    """Write a page with both passes of a target, and of so many training steps."""
    check_lang(chosen.lang)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"explore: --out: expected a path that ends in .html, got {str(path)!r}")
    explorer = chosen.explorer()
    if steps:
        explorer.session.train(steps)
    explorer.to_html(path)
