"""Machine code on disk: what is damaged, foreign or out of reach costs time, and nothing else."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.kernels.native import cache as module
from chainrule.kernels.native.cache import DIGEST, MARK, Cache, cache_folder, kept_in

CODE = bytes(range(256)) * 8
KEY = "0123456789abcdef"


@pytest.fixture
def kept(tmp_path: Path) -> Cache:
    made = Cache(tmp_path / "native")
    made.write(KEY, CODE)
    return made


def test_what_was_written_is_read_and_the_folder_is_the_user_s_alone(kept: Cache) -> None:
    assert kept.read(KEY) == CODE
    assert kept.reason == ""
    assert kept.read("another") is None
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700
    assert [path.name for path, _, _ in kept.files()] == [KEY]
    assert Cache(kept.folder).read(KEY) == CODE


@given(place=st.integers(0, len(MARK) + DIGEST + len(CODE) - 1), bit=st.integers(0, 7))
def test_one_wrong_bit_is_noticed(tmp_path_factory: Any, place: int, bit: int) -> None:
    kept = Cache(tmp_path_factory.mktemp("bits") / "native")
    kept.write(KEY, CODE)
    content = bytearray((kept.folder / KEY).read_bytes())
    content[place] ^= 1 << bit
    (kept.folder / KEY).write_bytes(content)
    assert kept.read(KEY) is None


@given(length=st.integers(0, len(MARK) + DIGEST + len(CODE) - 1))
def test_a_file_that_was_cut_off_is_noticed(tmp_path_factory: Any, length: int) -> None:
    kept = Cache(tmp_path_factory.mktemp("cut") / "native")
    kept.write(KEY, CODE)
    (kept.folder / KEY).write_bytes((kept.folder / KEY).read_bytes()[:length])
    assert kept.read(KEY) is None
    kept.write(KEY, CODE)
    assert kept.read(KEY) == CODE


def test_a_file_under_another_s_name_is_foreign(kept: Cache) -> None:
    (kept.folder / KEY).rename(kept.folder / "another")
    assert kept.read("another") is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners and modes on this system")
@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707, 0o701])
def test_a_folder_that_is_open_to_others_is_not_used(kept: Cache, mode: int) -> None:
    kept.folder.chmod(mode)
    again = Cache(kept.folder)
    assert again.read(KEY) is None
    assert "open to others" in again.reason
    again.write("more", CODE)
    assert not (kept.folder / "more").exists()
    assert again.clear() == 0
    assert (kept.folder / KEY).exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners and modes on this system")
def test_a_folder_and_a_file_of_somebody_else_are_not_used(kept: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    assert kept.read(KEY) is None  # the folder was looked at before; the file is looked at now
    again = Cache(kept.folder)
    assert again.read(KEY) is None
    assert again.reason == "belongs to somebody else"


def test_a_link_to_a_folder_is_not_used(kept: Cache, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(kept.folder)
    linked = Cache(tmp_path / "link")
    assert linked.read(KEY) is None
    assert linked.reason == "is no folder"


def test_a_disk_that_is_full(kept: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    kept.write("more", CODE)
    assert kept.reason == "cannot be written to: No space left on device"
    assert [path.name for path, _, _ in kept.files()] == [KEY], "nothing half-written stays"
    assert kept.read(KEY) == CODE


def test_a_place_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    kept = Cache(tmp_path / "file" / "native")
    kept.write(KEY, CODE)
    assert kept.read(KEY) is None
    assert kept.reason.startswith("cannot be used")


def test_too_many_bytes_are_trimmed_the_least_used_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Cache(tmp_path / "native")
    for number in range(10):
        kept.write(f"k{number}", CODE)
        os.utime(kept.folder / f"k{number}", (number, number))
    assert kept.read("k0") == CODE  # now it is the one used last
    size = len(MARK) + DIGEST + len(CODE)
    monkeypatch.setattr(module, "LIMIT", 8 * size)
    kept.trim()
    left = sorted(path.name for path, _, _ in kept.files())
    assert left == ["k0", "k5", "k6", "k7", "k8", "k9"]


def test_writing_keeps_to_the_limit_and_seldom_reads_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    monkeypatch.setattr(module, "LIMIT", 64 * len(CODE))
    kept, trim = Cache(tmp_path / "native"), Cache.trim
    monkeypatch.setattr(Cache, "trim", lambda self: looks.append(trim(self)))
    for number in range(64):
        kept.write(f"k{number}", CODE)
        kept.write(f"small{number}", b"code")
    assert sum(size for _, size, _ in kept.files()) <= 66 * len(CODE)
    assert len(looks) == 64
    for number in range(50):
        kept.write(f"tiny{number}", b"code")
    assert len(looks) == 64


def test_clearing(kept: Cache) -> None:
    kept.write("more", CODE)
    assert kept.clear() == 2
    assert kept.read(KEY) is None
    assert Cache(kept.folder / "nowhere").clear() == 0
    assert not (kept.folder / "nowhere").exists()


def test_what_info_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path))
    assert kept_in()["kernels of captured programs"] == f"{tmp_path / 'native'} (0 bytes)"
    module.cache().write(KEY, CODE)
    assert "2,105 bytes" in kept_in()["kernels of captured programs"]
    if hasattr(os, "getuid"):
        (tmp_path / "native").chmod(0o755)
        assert "not used: it is open to others (mode 755, expected 700)" in kept_in()["kernels of captured programs"]


def test_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    for name in ("CHAINRULE_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert "chainrule" in str(cache_folder())


WRITER = """
import sys
from pathlib import Path
from chainrule.kernels.native.cache import Cache
kept = Cache(Path(sys.argv[1]))
code = bytes(range(256)) * 4000
for number in range(60):
    key = f"k{number % 3}"
    found = kept.read(key)
    assert found is None or found == code
    kept.write(key, code)
    assert kept.read(key) == code
"""


@pytest.mark.slow
def test_two_processes_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", WRITER, str(tmp_path / "native")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) for _ in range(2)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert sorted(path.name for path in (tmp_path / "native").iterdir()) == ["k0", "k1", "k2"]
