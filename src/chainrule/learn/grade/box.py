"""The grader's side of a submission's process: calls with a time limit, and an end that leaves nothing behind."""

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .wire import MOST_BYTES, decode, encode

_HERE = Path(__file__).parent
_START = f"""
import runpy, sys, types
for name, place in {[("chainrule", str(_HERE.parents[1])), ("chainrule.learn", str(_HERE.parent))]!r}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [place]
runpy.run_module("chainrule.learn.grade.child", run_name="__main__")
"""
"""Starts a submission's process without the engine: its packages are empty there, which also takes a second less."""


class SubmissionError(Exception):
    """What a submission did instead of answering: `code` is raised, time, ended, or answer; `line` where, if known."""

    def __init__(self, code: str, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.code, self.line = code, line


@dataclass(frozen=True)
class Limits:
    """What one submission may use: seconds for one call and in all, and memory in MiB."""

    call: float = 10.0
    total: float = 60.0
    megabytes: int = 2048


class Asked(ABC):
    """What functions and layers of a submission are asked through."""

    @abstractmethod
    def ask(self, request: dict[str, Any]) -> Any:
        """Return the answer to a request. Raises SubmissionError."""

    def call(self, name: str, *args: Any) -> Any:
        """Call a function of the submission. Raises SubmissionError."""
        return self.ask({"kind": "call", "name": name, "args": args})

    def layer(self, name: str, constructor: Any, parameters: Any, inputs: Any, y_bar: Any) -> dict[str, Any]:
        """Make a layer, run it forward and, given `y_bar`, backward; return y and gradients. Raises SubmissionError."""
        request = {"constructor": constructor, "parameters": parameters, "inputs": inputs, "y_bar": y_bar}
        answer = self.ask({"kind": "layer", "name": name, **request})
        if not isinstance(answer, dict) or not {"y", "inputs", "parameters"} <= answer.keys():
            raise SubmissionError("answer", "the layer gave no results")
        return answer


class Box(Asked):
    """One submission, running in a process of its own, on a copy of its file in an empty folder.

    Use it in a `with` block: at its end the process and all that it started are killed.
    """

    def __init__(self, source: str, limits: Limits | None = None, allowed: Sequence[str] = ()) -> None:
        self.limits = limits or Limits()
        self.folder = Path(tempfile.mkdtemp(prefix="chainrule-grade-"))
        path = self.folder / "submission.py"
        path.write_text(source, encoding="utf-8")
        down, asked = os.pipe()
        answers, up = os.pipe()
        settings = {"asked": down, "answers": up, "file": str(path), "allowed": list(allowed)}
        settings |= {"seconds": int(self.limits.total) + 1, "megabytes": self.limits.megabytes}
        self._until = time.monotonic() + self.limits.total
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(settings)],
            **_apart(self.folder, (down, up)),
        )
        os.close(down)
        os.close(up)
        self._asked, self._answers, self._rest = asked, answers, b""
        os.set_blocking(answers, False)

    def __enter__(self) -> "Box":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> tuple[str, ...]:
        """Wait until the file has run, and return the names of its functions and classes. Raises SubmissionError."""
        return tuple(str(name) for name in self._answer(self.limits.call))

    def close(self) -> None:
        """End the process, everything it started, and its folder."""
        for handle in (self._asked, self._answers):
            with suppress(OSError):
                os.close(handle)
        with suppress(ProcessLookupError, PermissionError, AttributeError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, request: dict[str, Any]) -> Any:
        """Send a request to the process, and return its answer. Raises SubmissionError."""
        try:
            self._write((encode(request) + "\n").encode())
        except (BrokenPipeError, OSError) as error:
            raise SubmissionError("ended", "its process has ended") from error
        return self._answer(self.limits.call)

    def _write(self, text: bytes) -> None:
        while text:
            text = text[os.write(self._asked, text) :]

    def _answer(self, seconds: float) -> Any:
        line = self._line(min(time.monotonic() + seconds, self._until))
        try:
            answer = decode(line)
        except (ValueError, KeyError, TypeError) as error:
            raise SubmissionError("answer", f"an answer that cannot be read: {str(error)[:80]}") from error
        if not isinstance(answer, dict) or not answer.get("ok"):
            said = answer if isinstance(answer, dict) else {}
            line_of = said.get("line")
            raise SubmissionError(
                "raised", str(said.get("error", "no answer")), None if line_of is None else int(line_of)
            )
        return answer.get("value")

    def _line(self, until: float) -> str:
        """Read one line before a time. Raises SubmissionError if there is none by then, or the process ends."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._answers, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                left = until - time.monotonic()
                if left <= 0 or not waiting.select(left):
                    raise SubmissionError("time", f"no answer within {self.limits.call:g} s")
                piece = os.read(self._answers, 1 << 20)
                if not piece:
                    raise SubmissionError("ended", "its process ended by itself, or was ended for its memory or time")
                self._rest += piece
                if len(self._rest) > MOST_BYTES:
                    raise SubmissionError("answer", "an answer without an end")
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace")


def _apart(folder: Path, handles: tuple[int, ...]) -> dict[str, Any]:
    """The settings of a process that shares nothing with this one but two pipes."""
    kept = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    libraries = {str(Path(np.__file__).parents[1]), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    paths = os.pathsep.join(sorted(libraries))  # and not all of sys.path: the spec's folder is in it
    limits = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"PYTHONPATH": paths, "HOME": str(folder), "TMPDIR": str(folder), **limits}
    nothing = subprocess.DEVNULL
    return {
        **{"cwd": folder, "env": environment, "pass_fds": handles, "start_new_session": True},
        **{"stdin": nothing, "stdout": nothing, "stderr": nothing},
    }
