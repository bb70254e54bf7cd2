"""Files that are written atomically, and outputs that are checked before the work starts.

A file is written next to its target, under a name derived from the target's, and replaces it once it is safe on disk.
The writer holds a lock on that name. What a killed process leaves there is unlocked: the next save removes it, and so
does `drop_stale`, which readers call. The file of a process that is still writing, or of any other target, is left
alone.
"""

import errno
import hashlib
import io
import os
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl

    HAS_LOCKS = True
except ModuleNotFoundError:  # Windows: there, no name is shared
    HAS_LOCKS = False

StrPath = str | os.PathLike[str]
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


def write_text(path: StrPath, text: str) -> None:
    r"""Write text in UTF-8, atomically; to a pipe or a device, directly.

    A symbolic link stays, and the file that it points to is replaced; an existing file's mode is kept. What UTF-8
    cannot hold, half of a surrogate pair from a file's name, becomes an escape such as `\udcff`. Raises OSError if it
    cannot be written.

    >>> write_text("report.txt", "Hallo")
    >>> Path("report.txt").read_text()
    'Hallo'
    """
    write_parts(path, [text])


def write_parts(path: StrPath, parts: Iterable[str]) -> None:
    """Write text that comes in parts, which are not held in memory together, as :func:`write_text` does."""
    data = (text.encode("utf-8", "backslashreplace") for text in parts)
    if _is_stream(path):
        with Path(path).open("wb") as file:
            file.writelines(data)
    else:
        replace_file(Path(os.path.realpath(path)), data)


def replace_file(target: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Replace the target by the joined parts, once they are safe on disk under another name."""
    mode = None
    with suppress(FileNotFoundError):
        mode = stat.S_IMODE(target.stat().st_mode)
    with _own_place(target) as (temporary, file):
        if mode is not None:
            temporary.chmod(mode)
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
        temporary.replace(target)
    _sync_folder(target.parent)


def drop_stale(path: StrPath) -> None:
    """Remove what a process killed while saving `path` has left next to it, but nothing that is still being written."""
    with suppress(OSError):
        _take_away(temporary_of(Path(os.path.realpath(path))), wait=False)


def temporary_of(target: Path) -> Path:
    """Return the name under which a file is written before it takes its place."""
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    return target.with_name(f".chainrule-{name}.tmp")


@contextmanager
def _own_place(target: Path) -> Iterator[tuple[Path, io.BufferedWriter]]:
    """Yield a new file next to the target that no other process writes to; it is removed at the end if still there."""
    temporary, handle = _opened(target)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a handle is no path
            try:
                yield temporary, file
            except BaseException:
                # Still locked: it is ours, unless it has taken the target's place.
                _unlink_same(temporary, file.fileno())
                raise
    except OSError as error:
        if error.filename is None:
            error.filename = str(target)
        raise


def _opened(target: Path) -> tuple[Path, int]:
    temporary = temporary_of(target)
    while HAS_LOCKS:
        try:
            handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            if not _take_away(temporary, wait=True):
                break  # another user's, a link, or a system without locks
            continue
        if _is_locked(handle, temporary, wait=True):
            return temporary, handle
        has_no_locks = _is_same(temporary, handle)
        os.close(handle)
        if has_no_locks:
            temporary.unlink()
            break
        # Another process took it for stale in between.
    temporary = target.with_name(f".chainrule-{secrets.token_hex(8)}.tmp")
    return temporary, os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o666)


def _take_away(temporary: Path, wait: bool) -> bool:
    """Remove a file that no process is writing, waiting for a writer if `wait`; return whether the name may be free."""
    if not HAS_LOCKS:
        return False
    try:
        handle = os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        if _is_locked(handle, temporary, wait):
            temporary.unlink()
            return True
        return wait and not _is_same(temporary, handle)
    except OSError:
        return False
    finally:
        os.close(handle)


def _is_locked(handle: int, temporary: Path, wait: bool) -> bool:
    """Lock a file; return whether it still has the name under which it was opened."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return _is_same(temporary, handle)


def _is_same(path: Path, handle: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.lstat(), os.fstat(handle))
    return False


def _unlink_same(path: Path, handle: int) -> None:
    with suppress(OSError):
        if _is_same(path, handle):
            path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the new name durable; where folders cannot be opened (Windows), the system does it by itself."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as err:
        if err.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(handle)


# Before the work


def check_output(path: Path, inputs: Mapping[str, Path], whole: bool = False) -> None:
    """Fail before the work, not after it: a ValueError if `path` cannot be written or is one of the inputs.

    The inputs are files by what they are to the command. A file is the same under whatever name: a link, hard or
    symbolic, makes no difference. Pipes and devices are written to, unless the output has to be a `whole` file. What
    the file holds stays.
    """
    exists = path.exists()
    for what, given in inputs.items():
        # Of a folder's 100,000 pictures, each of which exists, none is an output that does not.
        if (exists or not given.exists()) and is_same_file(path, given):
            raise ValueError(f"{path}: is {what}, {given}, which it would overwrite; name another place")
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise ValueError(f"{path}: the folder {target.parent} does not exist; create it first")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; name a file in it")
    try:
        if _is_stream(path):
            if whole:
                raise ValueError(f"{path}: is a device, pipe or socket, and a model needs a file; name one")
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        if path.exists():
            path.open("ab").close()
        tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise ValueError(f"{path}: cannot be written here ({error.strerror}); name another place") from error


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths are one file, through any links; for files that do not exist yet, whether they will be."""
    with suppress(OSError):
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)


def _is_stream(path: StrPath) -> bool:
    """Whether the path exists and is neither a file nor a folder."""
    with suppress(OSError):
        mode = Path(path).stat().st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return False
