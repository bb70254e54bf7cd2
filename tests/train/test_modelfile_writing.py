"""Writing a model file: what is refused, fails or is killed leaves the old file; links, modes and folders."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from chainrule.train.saved import modelfile
from chainrule.train.saved.modelfile import ModelFileError, ModelFileMissing, read_arrays, write_arrays

from .modelfiles import META_SAMPLE, SAMPLE, all_same, entry, packed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.fixture
def sample(path: Path) -> Path:
    write_arrays(path, SAMPLE, META_SAMPLE)
    return path


# Writes that are refused, fail, or are killed


REFUSED: dict[str, tuple[dict[object, object], dict[object, object], str]] = {
    "reserved name": ({"__metadata__": np.ones(1)}, {}, "reserved"),
    "name of int": ({1: np.ones(1)}, {}, "a str"),
    "name of surrogate": ({"\ud800": np.ones(1)}, {}, "UTF-8"),
    "object": ({"a": np.array([None])}, {}, "dtype object"),
    "complex": ({"a": np.ones(1, complex)}, {}, "dtype complex128"),
    "text": ({"a": np.array(["x"])}, {}, "dtype <U1"),
    "datetime": ({"a": np.zeros(1, "M8[s]")}, {}, "dtype datetime64"),
    "structured": ({"a": np.zeros(1, [("x", "f8")])}, {}, "dtype"),
    "list": ({"a": [1.0]}, {}, "type list"),
    "scalar": ({"a": np.float64(1)}, {}, "type float64"),
    "bool of 2": ({"a": np.array([2], np.uint8).view(bool)}, {}, "above 1"),
    "metadata number": ({}, {"epoch": 7}, "'epoch' is 7"),
    "metadata key": ({}, {7: "epoch"}, "a metadata key is 7"),
    "metadata surrogate": ({}, {"k": "\udfff"}, "UTF-8"),
    "reserved metadata": ({}, {"chainrule.sha256": ""}, "reserved"),
    "long metadata": ({}, {"k": "x" * modelfile.MAX_HEADER}, "at most 10,000,000"),
}


@pytest.mark.parametrize(("arrays", "meta", "word"), REFUSED.values(), ids=REFUSED)
def test_refused_before_anything_is_touched(
    sample: Path, monkeypatch: pytest.MonkeyPatch, arrays: dict, meta: dict, word: str
) -> None:
    before = sample.read_bytes()
    monkeypatch.setattr(modelfile, "_replace", lambda *_: pytest.fail("the file was touched"))
    with pytest.raises(ModelFileError, match=word) as caught:
        write_arrays(sample, {"fine": np.ones(2), **arrays}, meta)
    assert str(caught.value).startswith(f"{sample}: ")
    assert "; expected " in str(caught.value)
    assert sample.read_bytes() == before


@pytest.mark.parametrize("step", [(os, "fsync"), (Path, "chmod"), (Path, "replace")], ids=lambda s: s[1])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_failed_write_leaves_the_old_file_alone(
    sample: Path, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str], failure: BaseException
) -> None:
    before = sample.read_bytes()

    def fail(*_: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(*step, fail)
        expected = ModelFileError if isinstance(failure, OSError) else KeyboardInterrupt
        with pytest.raises(expected) as caught:
            write_arrays(sample, {"w": np.ones(1000)}, {})
    if isinstance(failure, OSError):
        assert str(caught.value).startswith(f"{sample}: cannot be written: No space left on device; expected")
    assert sample.read_bytes() == before
    assert list(sample.parent.iterdir()) == [sample]


FULL_DISK = """
import resource, sys
import numpy as np
from chainrule.train.saved.modelfile import ModelFileError, write_arrays

resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_arrays(sys.argv[1], {"w": np.ones(100_000)}, {})
except ModelFileError as err:
    print(err)
"""


@pytest.mark.slow
def test_a_real_write_error(sample: Path) -> None:
    before = sample.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, sample], env=child_env(), capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{sample}: cannot be written: File too large")
    assert sample.read_bytes() == before
    assert list(sample.parent.iterdir()) == [sample]


def child_env() -> dict[str, str]:
    """The child imports the same package, installed or not."""
    source = str(Path(modelfile.__file__).parents[3])
    return os.environ | {"PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}


KILLS = 200
KILLING = """
import itertools, os, random, signal, sys, time
import numpy as np
from chainrule.train.saved.modelfile import read_arrays, write_arrays

path, kills = sys.argv[1], int(sys.argv[2])
arrays = {"w": np.full(100_000, -1.0)}
write_arrays(path, arrays, {"i": "-1"})
random.seed(0)
seen = set()
for kill in range(kills):
    child = os.fork()
    if child == 0:
        for i in itertools.count(1_000_000 * kill):
            write_arrays(path, {"w": np.full(100_000, float(i))}, {"i": str(i)})
    time.sleep(random.uniform(0.0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    arrays, meta = read_arrays(path)
    assert arrays["w"].shape == (100_000,) and (arrays["w"] == float(meta["i"])).all()
    seen.add(meta["i"])
print(len(seen))
"""


@pytest.mark.slow
def test_a_killed_write_leaves_old_or_new(path: Path) -> None:
    """Killed at a random moment of 200 saves: the file is always one that was written whole."""
    done = subprocess.run(
        [sys.executable, "-c", KILLING, path, str(KILLS)], env=child_env(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5  # the children did write
    assert list(path.parent.iterdir()) == [path]  # the last load removed what the last kill left behind
    write_arrays(path, SAMPLE, {})
    assert all_same(read_arrays(path)[0], SAMPLE)


READ_ONLY = """
import os, sys
import numpy as np
from chainrule.train.saved.modelfile import ModelFileError, write_arrays

if os.geteuid() == 0:  # to the superuser no folder is read-only
    os.setuid(65534)
for name in sys.argv[1:]:
    try:
        write_arrays(name, {"w": np.ones(10)}, {})
    except ModelFileError as err:
        print(err)
"""


@pytest.mark.slow
def test_a_read_only_folder() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        old, new = folder / "old.safetensors", folder / "new.safetensors"
        write_arrays(old, SAMPLE, {})
        before = old.read_bytes()
        folder.chmod(0o555)
        try:
            done = subprocess.run(
                [sys.executable, "-c", READ_ONLY, old, new], env=child_env(), capture_output=True, text=True, check=True
            )
        finally:
            folder.chmod(0o755)
        lines = done.stdout.splitlines()
        assert [line.partition(": cannot be written: ")[0] for line in lines] == [str(old), str(new)]
        assert "Permission denied" in lines[0]
        assert old.read_bytes() == before
        assert list(folder.iterdir()) == [old]


@pytest.mark.parametrize("name", ["../../up", "/etc/passwd", "..", "a/../../b", "C:\\x", ".", "w\n"])
def test_names_that_look_like_paths_are_names_only(path: Path, name: str) -> None:
    path.write_bytes(packed({name: entry()}, bytes(8)))
    arrays, _ = read_arrays(path)
    assert list(arrays) == [name]
    write_arrays(path, {name: np.ones(2)}, {})
    assert list(read_arrays(path)[0]) == [name]
    assert list(path.parent.iterdir()) == [path]


# Links, modes, folders


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed(path: Path, exists: bool) -> None:
    link = path.parent / "latest"
    link.symlink_to(path.name)
    if exists:
        write_arrays(path, {}, {})
    write_arrays(link, SAMPLE, {})
    assert link.is_symlink()
    assert not path.is_symlink()
    assert all_same(read_arrays(path)[0], SAMPLE)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_mode_is_kept(sample: Path, mode: int) -> None:
    sample.chmod(mode)
    write_arrays(sample, SAMPLE, {})
    assert stat.S_IMODE(sample.stat().st_mode) == mode


def test_a_new_file_gets_the_usual_mode(sample: Path) -> None:
    usual = sample.parent / "usual"
    usual.touch()
    assert sample.stat().st_mode == usual.stat().st_mode


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing, match="folder does not exist"):
        write_arrays(tmp_path / "no" / "model", SAMPLE, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [5, 22], ids=["EIO", "EINVAL"])
def test_a_folder_that_cannot_be_synced(path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Some file systems say EINVAL, which is no failure; anything else is one, with the new file in place."""
    fsync = os.fsync

    def sync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", sync)
    if code == 22:
        write_arrays(path, SAMPLE, {})
    else:
        with pytest.raises(ModelFileError, match="Input/output error"):
            write_arrays(path, SAMPLE, {})
    assert all_same(read_arrays(path)[0], SAMPLE)
