"""A submission's own process: `python -I -m chainrule.learn.grade.child`, which runs the file and answers calls.

The grader asks on one pipe and reads on another; what the submission prints goes nowhere. chainrule itself is imported
only for the wire: the submission cannot import it.
"""

import base64
import importlib.util
import io
import json
import marshal
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.learn.grade.guard import forbid, limit
from chainrule.learn.grade.wire import decode, encode

MOST_ERROR = 300
SECONDS_A_VERSION = 1.0
"""How long one changed version of a submission may run."""


def main() -> None:
    """Answer calls until the pipe closes."""
    settings = json.loads(sys.argv[1])
    asked = os.fdopen(settings["asked"], "r", encoding="utf-8")
    answers = os.fdopen(settings["answers"], "w", encoding="utf-8")
    path = Path(settings["file"])
    limit(settings["seconds"], settings["megabytes"])
    _hide_chainrule()
    forbid(path.parent, settings["allowed"])
    _say(answers, lambda: _started(path))
    module = sys.modules.get("submission")
    for line in asked:
        request = decode(line)
        _say(answers, lambda request=request: _done(module, request))  # type: ignore[misc]


def _hide_chainrule() -> None:
    """Take the engine out of reach: what is imported already would be found without an import."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "chainrule"]:
        del sys.modules[name]


def _started(path: Path) -> tuple[str, ...]:
    sys.stdout = sys.stderr = io.TextIOWrapper(open(os.devnull, "wb"))  # noqa: SIM115, PTH123
    spec = importlib.util.spec_from_file_location("submission", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: Python cannot load it")
    module = importlib.util.module_from_spec(spec)
    sys.modules["submission"] = module
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return tuple(name for name, value in vars(module).items() if callable(value) and not name.startswith("_"))


def _done(module: ModuleType | None, request: dict[str, Any]) -> Any:
    if request["kind"] == "versions":
        return tuple(_version(module, request, codes) for codes in request["codes"])
    if request["kind"] == "call":
        return getattr(module, request["name"])(*request["args"])
    layer = getattr(module, request["name"])(*request["constructor"])
    for name, value in request["parameters"].items():
        _set(layer, name, value)
    y = layer.forward(*request["inputs"])
    gradient = None if request["y_bar"] is None else layer.backward(request["y_bar"])
    return {"y": y, "inputs": gradient, "parameters": {n: _gradient(layer, n) for n in request["parameters"]}}


def _version(module: ModuleType | None, request: dict[str, Any], codes: Sequence[str]) -> str:
    """Return the answer of a changed version of the submission as text, empty if it has none.

    `codes` are the parts of the version, compiled. They run on a copy of the file's names, so that the file itself
    stays as it is.
    """
    names = dict(vars(module)) if module else {}
    version = ModuleType("submission")
    try:
        _alarm(SECONDS_A_VERSION)
        for code in codes:
            exec(_code(code), names)
        version.asked = names[request["of"]]  # type: ignore[attr-defined]
        with np.errstate(all="ignore"):
            return encode(_done(version, {**request["request"], "name": "asked"}))
    except Exception:
        return ""
    finally:
        _alarm(0.0)


@cache
def _code(text: str) -> Any:
    return marshal.loads(base64.b64decode(text))


def _alarm(seconds: float) -> None:
    """Raise TimeoutError after so many seconds, where the system can; 0 takes that back."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _late)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _late(*_: Any) -> None:
    raise TimeoutError("a version of the submission takes too long")


def _set(layer: Any, name: str, value: Any) -> None:
    holder = getattr(layer, "params", None)
    if isinstance(holder, dict) and name in holder:
        holder[name] = value
    else:
        setattr(layer, name, value)


def _gradient(layer: Any, name: str) -> Any:
    for spelt in (f"d{name}", f"grad_{name}", f"{name}_grad", f"d_{name}"):
        if hasattr(layer, spelt):
            return getattr(layer, spelt)
    grads = getattr(layer, "grads", None)
    return grads.get(name) if isinstance(grads, dict) else None


def _say(answers: Any, work: Callable[[], Any]) -> None:
    """Do something and answer with its result or its error; `SystemExit` is an error like any other."""
    try:
        with np.errstate(all="ignore"):
            text = encode({"ok": True, "value": work()})
    except BaseException as error:
        text = encode({"ok": False, "error": _told(error), "line": _line_of(error)})
    answers.write(text + "\n")
    answers.flush()


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:MOST_ERROR]


def _line_of(error: BaseException) -> Any:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "submission" in f.filename]
    return np.int64(frames[-1].lineno or 0) if frames else None


if __name__ == "__main__":
    main()
