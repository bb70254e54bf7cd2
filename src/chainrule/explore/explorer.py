"""`explore`: an explorer of the backward pass, for a notebook, a browser, or a file."""

from pathlib import Path
from typing import Any

from chainrule.base.files import write_text
from chainrule.core.tensor import Tensor
from chainrule.present.html import tag
from chainrule.present.texts import check_lang

from .desk import Desk
from .export import recorded
from .server.http import Server
from .server.hub import Hub
from .session import Session
from .subject import Subject, copied


class Explorer:
    """A walk through both passes of a network: shown where a notebook displays it, served, or written to a file.

    `session` is the walk itself: `session.forward()`, `session.edit("W1", (0, 2), 0.5)`, `session.train(10)`, and
    `session.run.boxes` with their values and gradients.
    """

    def __init__(self, subject: Subject, optimizer: Any = None, lang: str = "en") -> None:
        self.subject, self.optimizer, self.lang = subject, optimizer, lang
        self.session = Session(subject, optimizer)
        self._server: Server | None = None

    def serve(self, port: int = 0, open_browser: bool = True) -> str:
        """Serve the explorer on this machine, in the background; return a link to it, which works once.

        A port that is taken is replaced by a free one. The page that opens the link keeps a cookie and may be reloaded;
        each page has a session of its own. It is served until `close()` or the end of the program; `wait()` waits for
        Ctrl-C.

        >>> import chainrule as cr
        >>> explorer = cr.explore(lambda w: (w * 3 - 1) ** 2, 0.5)
        >>> explorer.serve(open_browser=False)
        'http://127.0.0.1:.../?token=...'
        >>> explorer.close()
        """
        if self._server is None:
            self._server = self.server(port)
            self._server.start()
        if open_browser:
            self._server.browse()
        return self._server.url()

    def server(self, port: int = 0) -> Server:
        """Return a server that has not been started."""
        hub = Hub(lambda: Desk(Session(self.subject, self.optimizer), self.lang), self.lang)
        return Server(hub, port)

    def wait(self) -> None:
        """Wait until Ctrl-C, then stop serving: for the end of a script."""
        if self._server is not None:
            self._server.wait()

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def to_html(self, path: str | Path | None = None) -> str:
        """Return the walk as a page that steps and scrubs without Python; write it to `path` if given.

        It holds the moments of the training so far; numbers cannot be changed in it.
        """
        page = recorded(self.session, self.lang)
        if path is not None:
            write_text(path, page)
        return page

    def _repr_mimebundle_(self, **_: Any) -> Any:
        """Return the widget where anywidget is installed, else the recorded page in a frame."""
        try:
            import anywidget  # noqa: F401
        except ModuleNotFoundError:
            frame = tag(
                "iframe", srcdoc=self.to_html(), width="100%", height="900", title="chainrule", style="border:0"
            )
            return {"text/html": str(frame), "text/plain": repr(self)}
        from .widget import widget_of

        return widget_of(self.session, self.lang)._repr_mimebundle_()

    def __repr__(self) -> str:
        run = self.session.run
        return f"<Explorer of {run.recording.title}: {len(run.forward_order)} operations, {len(run.boxes)} boxes>"


def explore(
    model_or_f: Any,
    *args: Any,
    loss: Any = None,
    target: Any = None,
    optimizer: Any = None,
    argnums: Any = None,
    lang: str = "en",
) -> Explorer:
    """Return an explorer: a notebook displays it, `.serve()` opens it in the browser, `.to_html(path)` writes a file.

    `model_or_f` is a module, called with `args`, whose output `loss(output, target)` reduces to a scalar, or a function
    of `args` that returns a scalar; gradients are those that `cr.explain` derives (`argnums` as there). One walks
    through both passes an operation at a time, changes any number of an input, a parameter or the target, and takes
    training steps. Everything is computed in float64 on copies: your model and your arrays are left unchanged.

    `optimizer` is an optimiser (its kind and settings are used, with a state of its own), a function of the parameters
    that returns one, or a name: "SGD" (the default), "Momentum", "Adam", "AdamW", "RMSprop", "Adagrad". `lang` is "en"
    or "ko".

    Raises TypeError or ValueError, as `cr.explain` does, for what is not a model or a function, and for a result that
    is not a scalar or depends on nothing that has a gradient.

    >>> import chainrule as cr
    >>> def neuron(x, w, b, y):
    ...     return (cr.sigmoid(w * x + b) - y) ** 2 / 2
    >>> explorer = cr.explore(neuron, 2.0, 0.5, 0.1, 1.0, argnums=(1, 2))
    >>> explorer
    <Explorer of neuron: 6 operations, 10 boxes>
    >>> explorer.session.edit("w", (), 0.6)
    >>> explorer.session.change
    Change(name='w', before=0.03118..., after=0.02293..., predicted=-0.00935...)
    """
    check_lang(lang, "explore: ")
    if isinstance(model_or_f, Tensor):
        raise TypeError(
            "explore: got a tensor, which has been computed already; pass the function that computes it: "
            "cr.explore(f, *args)"
        )
    subject = Subject(model_or_f, tuple(copied(list(args))), loss, copied(target), argnums)
    try:
        return Explorer(subject, optimizer, lang)
    except (TypeError, ValueError) as error:  # recorded by `explain`'s code, whose messages say "explain"
        if not str(error).startswith("explain: "):
            raise
        raise type(error)(str(error).replace("explain", "explore")) from error
