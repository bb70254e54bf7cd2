"""Ctrl-C at any bytecode of a training run: what is saved then goes on as if nothing had happened, to the bit."""

import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from .test_resume import EPOCHS, Training

HOME = "chainrule"


class Press:
    """Presses Ctrl-C before the bytecode number `at` that chainrule runs (-1: never), and counts them."""

    def __init__(self, at: int = -1) -> None:
        self.at, self.count = at, 0

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        if event == "call":
            if HOME not in frame.f_code.co_filename:
                return None
            frame.f_trace_opcodes = True
            return self
        if event == "opcode":
            if self.count == self.at:
                signal.raise_signal(signal.SIGINT)
            self.count += 1
        return self

    def run(self, function: Callable[[], Any]) -> bool:
        """Call a function; return whether it was interrupted."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            function()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False


@pytest.fixture(scope="module")
def whole() -> tuple[int, Any]:
    """How many bytecodes the run has, and what it comes to."""
    training, press = Training(), Press()
    press.run(training.fit)
    return press.count, training.bits()


def positions(total: int) -> Any:
    """A few by default, more in the slow half, a thousand before a release."""
    shares = [random.Random(k).random() for k in range(total)]
    marks = [(), (pytest.mark.slow,), (pytest.mark.long,)]
    return [pytest.param(share, marks=marks[(k >= 8) + (k >= 40)], id=f"{k}") for k, share in enumerate(shares)]


@pytest.mark.parametrize("share", positions(1000))
def test_training_goes_on_from_anywhere(whole: tuple[int, Any], share: float, tmp_path: Path) -> None:
    count, expected = whole
    training, path = Training(), tmp_path / "m"
    if Press(int(share * count)).run(training.fit):
        training.save(path)
        training = Training.resumed(path)
        if len(training.history) < EPOCHS:
            training.fit()
    assert training.bits() == expected
