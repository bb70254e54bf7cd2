"""Machine code on disk, each piece in a file named by the hash of its source.

A file holds a magic number, the SHA-256 of everything after it, and the code. A file that does not match its hash is
rebuilt, so corruption costs only time. Because the contents are executed, the folder must belong to the user alone: one
with another owner, or one open to others, is not used. A full or read-only disk costs only time as well.
"""

import contextlib
import functools
import hashlib
import os
import secrets
import stat
import sys
from pathlib import Path

MARK = b"chainrule machine code 1\n"
DIGEST = 32
LIMIT = 256 * 2**20
"""The size limit in bytes; the least recently used files are removed first."""
SPARED = 0.75
"""The fraction that is kept when files have to be removed."""
LOOK = 1 / 64
"""The fraction of the limit that a process writes before it looks at the size again: that reads the whole folder."""


def cache_folder() -> Path:
    """Return the cache folder: `CHAINRULE_CACHE_DIR`, or chainrule's folder in the user's cache directory."""
    if os.environ.get("CHAINRULE_CACHE_DIR"):
        return Path(os.environ["CHAINRULE_CACHE_DIR"])
    try:
        home = Path.home()
    except RuntimeError:  # no HOME and no such user
        import tempfile

        home = Path(tempfile.gettempdir()) / f"chainrule-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home) / "chainrule" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "chainrule"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "chainrule"


class Cache:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reason = ""
        """Why nothing is cached, if so."""
        self._is_open: bool | None = None
        self._unseen = LIMIT  # the first file looks

    def read(self, key: str) -> bytes | None:
        """Return the code stored under a key, or None if it is missing or corrupt."""
        if not self._opened():
            return None
        path = self.folder / key
        try:
            with path.open("rb") as file:
                if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                    return None
                content = file.read()
        except OSError:
            return None
        code = content[len(MARK) + DIGEST :]
        if content[: len(MARK)] != MARK or content[len(MARK) : len(MARK) + DIGEST] != _digest(key, code):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # mark as recently used
        return code

    def write(self, key: str, code: bytes) -> None:
        """Store code under a key atomically, so that no other process sees a partial file."""
        if not self._opened():
            return
        temporary = None
        try:
            temporary = self.folder / f".{secrets.token_hex(8)}.tmp"
            with open(temporary, "xb", opener=_private) as file:
                file.write(MARK + _digest(key, code) + code)
            temporary.replace(self.folder / key)
        except OSError as error:
            self.reason = f"cannot be written to: {error.strerror or error}"
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink()
            return
        self._unseen += len(code)
        if self._unseen >= LOOK * LIMIT:
            self._unseen = 0
            self.trim()

    def trim(self) -> None:
        """Remove the least recently used files if the cache is too large."""
        files = sorted(self.files(), key=lambda file: file[2])
        total = sum(size for _, size, _ in files)
        if total <= LIMIT:
            return
        for path, size, _ in files:
            if total <= SPARED * LIMIT:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size

    def clear(self) -> int:
        """Remove all files and return their number."""
        count = 0
        if self._opened(make=False):
            for path, _, _ in self.files():
                with contextlib.suppress(OSError):
                    path.unlink()
                    count += 1
        return count

    def files(self) -> list[tuple[Path, int, float]]:
        """Return each file with its size and its time of last use."""
        found = []
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    about = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(about.st_mode):
                        found.append((Path(entry.path), about.st_size, about.st_mtime))
        return found

    def why_not(self) -> str:
        """Return why the folder is unusable, as far as can be told without creating it; empty if it is usable."""
        self._is_open = None
        self._opened(make=False)
        return self.reason

    def _opened(self, make: bool = True) -> bool:
        """Return whether the folder exists and is safe to use."""
        if self._is_open is None or not self.folder.exists():
            try:
                self.reason = self._checked(make)
            except OSError as error:
                self.reason = f"cannot be used: {error.strerror or error}"
            self._is_open = not self.reason
        return self._is_open

    def _checked(self, make: bool) -> str:
        if make:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                self.folder.mkdir(mode=0o700)
        elif not self.folder.exists():
            return self._of_parents()
        about = self.folder.lstat()
        if not stat.S_ISDIR(about.st_mode):
            return "is no folder"
        if hasattr(os, "getuid"):
            if about.st_uid != os.getuid():
                return "belongs to somebody else"
            if about.st_mode & 0o077:
                return f"is open to others (mode {stat.S_IMODE(about.st_mode):o}, expected 700)"
        return "" if os.access(self.folder, os.W_OK) else "cannot be written to"

    def _of_parents(self) -> str:
        parent = self.folder.parent
        while not parent.exists() and parent != parent.parent:
            parent = parent.parent
        return "" if parent.is_dir() and os.access(parent, os.W_OK) else "cannot be written to"


def _private(path: str, flags: int) -> int:
    """Open a file that only the user may read and write."""
    return os.open(path, flags, 0o600)


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


@functools.lru_cache(8)
def _cache(folder: Path) -> Cache:
    return Cache(folder)


def cache() -> Cache:
    """Return the cache that the environment currently selects."""
    return _cache(cache_folder() / "native")


def kept_in() -> dict[str, str]:
    """Describe where machine code is kept, for `chainrule info`."""
    own, numba, programs = Path(__file__).parents[1] / "**" / "__pycache__", os.environ.get("NUMBA_CACHE_DIR"), cache()
    reason, size = programs.why_not(), sum(size for _, size, _ in programs.files())
    about = f"not used: it {reason}" if reason else f"{size:,} bytes"
    return {
        "compiled kernels": numba or f"{own} (or Numba's folder of the user, where that cannot be written to)",
        "kernels of captured programs": f"{programs.folder} ({about})",
    }
