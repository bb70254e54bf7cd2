"""Files that are written whole: what a kill leaves goes with the next save, and no output is one of the inputs."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chainrule.base.files import (
    check_output,
    drop_stale,
    is_same_file,
    replace_file,
    temporary_of,
    write_text,
)

fcntl = pytest.importorskip("fcntl", reason="locks on files are Unix's")


def left(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".chainrule-"))


def test_what_was_left_behind_goes_with_the_next_save_and_load(tmp_path):
    target = tmp_path / "m"
    temporary_of(target).write_text("half")
    temporary_of(tmp_path / "other").write_text("of another")
    write_text(target, "whole")
    assert target.read_text() == "whole"
    assert left(tmp_path) == [temporary_of(tmp_path / "other").name]
    temporary_of(target).write_text("half")
    drop_stale(target)
    assert left(tmp_path) == [temporary_of(tmp_path / "other").name]


def test_what_is_still_written_is_left_alone(tmp_path):
    target = tmp_path / "m"
    with temporary_of(target).open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        drop_stale(target)
        assert left(tmp_path) == [temporary_of(target).name]
        writer = threading.Thread(target=write_text, args=(target, "mine"))
        writer.start()  # waits for the other
        other.write(b"the other's")
        other.flush()
        temporary_of(target).replace(target)
        assert target.read_text() == "the other's"
    writer.join()
    assert target.read_text() == "mine"
    assert left(tmp_path) == []


def test_many_writers_of_one_file_leave_it_whole(tmp_path):
    target = tmp_path / "m"

    def write(k):
        for _ in range(20):
            replace_file(target, [bytes([k]) * 10_000])
            drop_stale(target)

    writers = [threading.Thread(target=write, args=(k,)) for k in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    content = target.read_bytes()
    assert len(content) == 10_000
    assert len(set(content)) == 1
    assert left(tmp_path) == []


@pytest.mark.parametrize("kind", ["link", "folder", "no locks"])
def test_where_the_name_cannot_be_had_another_one_is(tmp_path, monkeypatch, kind):
    target, victim = tmp_path / "m", tmp_path / "victim"
    victim.write_text("kept")
    if kind == "link":
        temporary_of(target).symlink_to(victim)
    elif kind == "folder":
        temporary_of(target).mkdir()
    else:

        def refuse(*_):
            raise OSError(37, "No locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
    write_text(target, "whole")
    assert target.read_text() == "whole"
    assert victim.read_text() == "kept"
    assert left(tmp_path) == ([] if kind == "no locks" else [temporary_of(target).name])


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "report.html"
    target.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*report.html'"):
        write_text(target, "new")
    assert target.read_text() == "old"
    assert left(tmp_path) == []


def test_mode_and_link_stay(tmp_path):
    target, link = tmp_path / "t", tmp_path / "l"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to("t")
    write_text(link, "new \udcff")
    assert link.is_symlink()
    assert target.read_text() == "new \\udcff"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_pipe_gets_the_text(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_output(pipe, {})
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        write_text(pipe, "text")
        assert reader.stdout.read() == b"text"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    write_text("/dev/null", "text")
    check_output(Path("/dev/null"), {})
    for path in (pipe, Path("/dev/null")):
        with pytest.raises(ValueError, match="a device, pipe or socket, and a model needs a file"):
            check_output(path, {}, whole=True)


def test_an_output_that_is_an_input_is_refused_by_whatever_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = Path("d.csv")
    data.write_text("kept")
    Path("soft").symlink_to("d.csv")
    Path("hard").hardlink_to("d.csv")
    Path("folder").mkdir()
    for name in ("d.csv", "./d.csv", "soft", "hard", "folder/../d.csv", tmp_path / "d.csv"):
        with pytest.raises(ValueError, match=r"is the data, d.csv, which it would overwrite; name another place"):
            check_output(Path(name), {"the data": data})
    assert data.read_text() == "kept"
    check_output(Path("new"), {"the data": data})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "folder", "hard", "soft"]
    assert is_same_file(Path("new"), Path("folder/../new"))
    for name, message in (("folder", "is a folder"), ("no/file", "does not exist; create it first")):
        with pytest.raises(ValueError, match=message):
            check_output(Path(name), {})
    Path("dangling").symlink_to("no/file")
    with pytest.raises(ValueError, match="does not exist; create it first"):
        check_output(Path("dangling"), {})


KILLED = """
import os, signal, sys
from chainrule.base import files
files.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
files.write_text(sys.argv[1], "half")
"""


@pytest.mark.slow
def test_a_kill_leaves_one_file_however_often(tmp_path):
    target = tmp_path / "m"
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", KILLED, target], check=False)
        assert done.returncode == -9
    assert left(tmp_path) == [temporary_of(target).name]
    write_text(target, "whole")
    assert left(tmp_path) == []
