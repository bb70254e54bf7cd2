"""The desk: what a page asks for is checked, done, and answered with what the page shows next.

A page is a browser, a notebook or a test: the requests are the same, plain data in and out. Nothing in a request is
ever run as code.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from .compare import Rival, compared
from .doctoring import finding
from .export import latex_of, recorded
from .session import Session
from .view import view

PATIENCE = 0.3
"""How many seconds an answer waits for a training before it reports progress instead."""
MOST_REPLAYED = 400

Request = Mapping[str, Any]


class Work:
    """Training that runs beside the desk, with its progress; `error` is what went wrong."""

    def __init__(self, total: int, work: Callable[[Callable[[int], None]], None]) -> None:
        self.done, self.total, self.error = 0, total, ""
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work(self._tell)
        except Exception as error:  # the user's function may raise anything; the page shows it
            self.error = _said(error)

    def _tell(self, done: int) -> None:
        self.done = done

    def is_over(self, seconds: float) -> bool:
        """Wait for the end, at most so long; return whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


class Desk:
    """One page's session, with the rival it is compared with and the training that is running."""

    def __init__(self, session: Session, lang: str = "en") -> None:
        self.session, self.lang = session, lang
        self.rival: Rival | None = None
        self.example = ""
        self.log: list[dict[str, Any]] = []
        self._work: Work | None = None
        self.lock = threading.Lock()

    def handle(self, request: Request) -> dict[str, Any]:
        """Do what a request asks for; return what the page shows next, with an `error` if it could not be done."""
        with self.lock:
            error = self._done(request)
            return self._answer(request, error)

    def _done(self, request: Request) -> str:
        try:
            name = _text(request, "do")
            if name == "stop":
                self.session.stopping.set()
                if self.rival is not None:
                    self.rival.session.stopping.set()
            elif name != "look" and name not in _EXTRAS:
                self._settle()
                if name not in _ACTIONS:
                    raise ValueError(f"do: expected one of {', '.join(sorted(_ACTIONS))}, got {name!r}")
                _ACTIONS[name](self, request)
                self._note(name, request)
        except Exception as error:  # as above: what the user's function raises is shown, and nothing has changed
            return _said(error)
        return ""

    def _settle(self) -> None:
        if self._work is not None and not self._work.is_over(0):
            raise ValueError("busy: training is running; wait for it, or press Stop")

    def _answer(self, request: Request, error: str) -> dict[str, Any]:
        if self._work is not None and not self._work.is_over(PATIENCE):
            busy = {"done": self._work.done, "total": self._work.total}
            return {"busy": busy, "error": error} if error else {"busy": busy}
        if self._work is not None:
            error, self._work = error or self._work.error, None
        known = (request.get("version"), request.get("drawn"))
        version, drawn = (k if isinstance(k, int) else 0 for k in known)
        found = view(self.session, self.lang, version, drawn)
        found["rival"] = self.rival.name if self.rival is not None else ""
        if self.rival is not None and "numbers" in found:
            found["numbers"]["compare"] = compared(self.session, self.rival, self.lang)
        if error:
            found["error"] = error
        if error == "" and request.get("do") in _EXTRAS:
            found |= _EXTRAS[request["do"]](self)
        return found

    def _latex(self) -> dict[str, Any]:
        return {
            "file": {"name": "derivation.tex", "type": "application/x-tex", "text": latex_of(self.session, self.lang)}
        }

    def _export(self) -> dict[str, Any]:
        text = recorded(self.session, self.lang)
        return {"file": {"name": "explorer.html", "type": "text/html", "text": text}}

    def _link(self) -> dict[str, Any]:
        """Return what a link holds: what was changed, in order, and where the walk is."""
        link = {"log": self.log, "position": self.session.position, "node": self.session.chosen}
        return {"link": {**link, **({"example": self.example} if self.example else {})}}

    # What can be asked for

    def _seek(self, request: Request) -> None:
        self.session.seek(_whole(request, "position"))

    def _choose(self, request: Request) -> None:
        name = _text(request, "node")
        if all(block.name != name for block in self.session.blocks):
            self.session.box(name)
        self.session.chosen = name

    def _edit(self, request: Request) -> None:
        index = request.get("index", ())
        if not isinstance(index, list | tuple) or not all(_is_whole(i) for i in index):
            raise ValueError(f"index: expected a list of whole numbers, got {index!r}")
        node, value = _text(request, "node"), _number(request, "value")
        if request.get("merge") is True and self._continues(node, index):
            self.session.undo()
            self.log.pop()
        self.session.edit(node, index, value)

    def _continues(self, node: str, index: Any) -> bool:
        """Whether the last change was of the same number: a drag counts as one change, from where it began."""
        last = self.log[-1] if self.log else {}
        return last.get("do") == "edit" and last.get("node") == node and list(last.get("index", ())) == list(index)

    def _reset(self) -> None:
        self.session.reset()
        if self.rival is not None:
            self.rival.session.reset()

    def _time(self, request: Request) -> None:
        self.session.time(_whole(request, "index"))

    def _rule(self, request: Request) -> None:
        name = _text(request, "optimizer") if "optimizer" in request else None
        lr = _number(request, "lr") if "lr" in request else None
        self.session.set_rule(name, lr)

    def _train(self, request: Request) -> None:
        self._rule(request)
        count = _whole(request, "steps")
        if not 1 <= count <= 1000:
            raise ValueError(f"steps: expected 1 to 1000, got {count}")
        both = [self.session] + ([self.rival.session] if self.rival is not None else [])

        def work(tell: Callable[[int], None]) -> None:
            for k, session in enumerate(both):
                session.train(count, lambda done, k=k: tell(k * count + done))  # type: ignore[misc]

        for session in both:
            session.stopping.clear()
        self._work = Work(count * len(both), work)

    def _open(self, request: Request) -> None:
        self.session.open(_text(request, "node"), request.get("open", True) is not False)

    def _predict(self, request: Request) -> None:
        self.session.predicting = request.get("on", True) is not False
        self.session.show()

    def _guess(self, request: Request) -> None:
        self.session.guess(_number(request, "value"))

    def _doctor(self) -> None:
        self._work = Work(1, lambda _: finding(self.session, self.lang))

    def _compare(self, request: Request) -> None:
        name = _text(request, "with")
        self.rival = Rival.of(self.session, name) if name else None
        self.session.version += 1

    def _note(self, name: str, request: Request) -> None:
        """Keep what changes numbers, so that a link can repeat it."""
        if name in ("edit", "train", "undo", "reset", "time", "rule"):
            kept = ("do", "node", "index", "value", "steps", "lr", "optimizer")
            self.log.append({key: request[key] for key in kept if key in request})
            del self.log[:-MOST_REPLAYED]

    def _replay(self, request: Request) -> None:
        """Repeat what a link holds: the same requests as by hand, checked like them."""
        actions = request.get("log")
        if not isinstance(actions, list) or len(actions) > MOST_REPLAYED:
            raise ValueError(f"log: expected a list of at most {MOST_REPLAYED} actions")
        self.session.reset()
        for action in actions:
            if not isinstance(action, dict) or action.get("do") not in (*_REPLAYED, "train"):
                raise ValueError(f"log: expected actions among {', '.join(_REPLAYED)} and train, got {action!r}")
            if action["do"] == "train":
                self._rule(action)
                self.session.train(_whole(action, "steps"))
            else:
                _ACTIONS[action["do"]](self, action)
            self._note(action["do"], action)
        self.session.seek(_whole(request, "position"))
        if request.get("node"):
            self._choose(request)


_EXTRAS: dict[str, Callable[[Desk], dict[str, Any]]] = {
    "latex": Desk._latex,
    "export": Desk._export,
    "link": Desk._link,
}
_REPLAYED = ("edit", "undo", "reset", "time", "rule")
_ACTIONS: dict[str, Callable[[Desk, Request], None]] = {
    "forward": lambda desk, _: desk.session.forward(),
    "backward": lambda desk, _: desk.session.backward(),
    "rewind": lambda desk, _: desk.session.rewind(),
    "end": lambda desk, _: desk.session.seek(desk.session.steps),
    "seek": Desk._seek,
    "choose": Desk._choose,
    "edit": Desk._edit,
    "undo": lambda desk, _: desk.session.undo(),
    "reset": lambda desk, _: desk._reset(),
    "time": Desk._time,
    "rule": Desk._rule,
    "train": Desk._train,
    "open": Desk._open,
    "predict": Desk._predict,
    "guess": Desk._guess,
    "show": lambda desk, _: desk.session.show(),
    "doctor": lambda desk, _: desk._doctor(),
    "compare": Desk._compare,
    "replay": Desk._replay,
}


# What a request holds


def _text(request: Request, key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or len(value) > 200:
        raise ValueError(f"{key}: expected a short text, got {str(value)[:40]!r}")
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(request: Request, key: str) -> int:
    value = request.get(key)
    if not _is_whole(value):
        raise ValueError(f"{key}: expected a whole number, got {str(value)[:40]!r}")
    assert isinstance(value, int)
    return value


def _number(request: Request, key: str) -> float:
    value = request.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key}: expected a number, got {str(value)[:40]!r}")
    return float(value)


def _said(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if isinstance(error, ValueError | TypeError) else f"{type(error).__name__}: {text}"
