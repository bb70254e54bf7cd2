"""What the command line needs of its terminal: characters it can show, a pipe that may close, a Ctrl-C that arrives."""

import codecs
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ERRORS = "chainrule.terminal"


@contextmanager
def prepared() -> Iterator[None]:
    """Let text of any kind be printed inside, on any terminal, and a pipe that nobody reads any more end the command.

    What an encoding cannot hold is shown as an escape, and a file's name in its own bytes. A closed pipe
    (`chainrule info | head -1`) ends the process quietly, as it ends any other program.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:  # it was closed by whoever started this
            handle = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, os.fdopen(handle, "w", encoding="utf-8", closefd=handle == number))
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)
    if not hasattr(signal, "SIGPIPE") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        yield
        sys.stdout.flush()
    finally:
        signal.signal(signal.SIGPIPE, before)


def keep_pipes() -> None:
    """Let a closed pipe be an error again, as where processes talk to each other."""
    if hasattr(signal, "SIGPIPE") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def ctrl_c_is_ignored() -> bool:
    """Whether whoever started this process let it ignore Ctrl-C, as `nohup` in some shells and `&` in a script do."""
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def _shown(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    shown = b""
    for character in error.object[error.start : error.end]:
        byte = ord(character) - 0xDC00
        shown += bytes([byte]) if 0x80 <= byte <= 0xFF else character.encode("ascii", "backslashreplace")
    return shown, error.end


codecs.register_error(_ERRORS, _shown)
