"""What a submission's process may do, from inside: limits of the system, and a hook that Python itself calls.

Limits hold for the whole process. The hook (PEP 578) sees what Python code opens, imports and starts; it cannot be
removed, but code that leaves Python, through a library of its own, is out of its sight, so `ctypes` is refused. It
keeps honest mistakes and schoolchildren's tricks from doing harm. It is no wall against an expert: grade what
strangers send in a container or a virtual machine.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ENGINES = frozenset(
    {"torch", "jax", "jaxlib", "tensorflow", "autograd", "chainrule", "mygrad", "tinygrad", "theano", "sympy", "casadi"}
)
"""Packages that differentiate, or contain the key; a spec may allow some."""
WAYS_OUT = frozenset({"ctypes", "_ctypes", "cffi", "multiprocessing", "_posixsubprocess", "_multiprocessing"})
STARTS = frozenset(
    {"subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile"}
    | {"pty.spawn", "os.kill", "os.killpg", "signal.pthread_kill", "ctypes.dlopen", "ctypes.dlsym", "sys.setprofile"}
)
CHANGES = frozenset(
    {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"}
    | {"shutil.rmtree", "shutil.move", "shutil.copyfile", "os.utime", "shutil.chown"}
)
READS = frozenset({"os.listdir", "os.scandir", "os.chdir"})


class Forbidden(PermissionError):
    """Something that a submission may not do."""


def limit(seconds: int, megabytes: int) -> None:
    """Limit CPU time, memory, files and processes, as far as the system has such limits."""
    try:
        import resource
    except ImportError:  # Windows: the grader's own clock remains
        return
    bytes_ = megabytes * 2**20
    for what, most in (
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_AS", bytes_),
        ("RLIMIT_FSIZE", 16 * 2**20),
        ("RLIMIT_NOFILE", 64),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NPROC", 64),
    ):
        if hasattr(resource, what):
            number = getattr(resource, what)
            hard = resource.getrlimit(number)[1]
            least = most if hard == resource.RLIM_INFINITY else min(most, hard)
            try:
                resource.setrlimit(number, (least, least))
            except (ValueError, OSError):
                continue


def forbid(folder: Path, allowed: Sequence[str]) -> None:
    """Refuse, from here on, files outside of `folder` and Python, the network, other processes, and engines."""
    inside = (os.path.realpath(folder) + os.sep,)
    readable = inside + tuple(
        os.path.realpath(place) + os.sep
        for place in {sys.prefix, sys.base_prefix, sys.exec_prefix, *(p for p in sys.path if p)}
        if os.path.realpath(place) != os.sep
    )
    refused = (ENGINES - set(allowed)) | WAYS_OUT

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            _check_open(args, inside, readable)
        elif event == "import":
            if str(args[0]).partition(".")[0] in refused:
                raise Forbidden(f"import {args[0]}: not allowed here")
        elif event.startswith("socket.") or event in STARTS or event.startswith("ftplib.") or event == "urllib.Request":
            raise Forbidden(f"{event}: not allowed here")
        elif event in CHANGES:
            for path in args[:2]:
                _check_path(path, inside, event)
        elif event in READS and args:
            _check_path(args[0], readable, event)

    sys.addaudithook(hook)


def _check_open(args: tuple[Any, ...], inside: tuple[str, ...], readable: tuple[str, ...]) -> None:
    path, mode, flags = (*args, None, 0)[:3]
    writes = (isinstance(mode, str) and any(c in mode for c in "wax+")) or bool(
        isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    )
    _check_path(path, inside if writes else readable, "write" if writes else "read")


def _check_path(path: Any, places: tuple[str, ...], what: str) -> None:
    if isinstance(path, int) or path is None:
        return
    try:
        real = os.path.realpath(os.fsdecode(path))
    except (TypeError, ValueError):
        return
    if real in (os.devnull, "/dev/urandom", "/dev/random") or (real + os.sep).startswith(places):
        return
    raise Forbidden(f"{what} {os.fsdecode(path)}: outside of the submission's folder")
