"""The command line beside files and terminals as they are: links, pipes, full disks, odd names, closed pipes."""

import os
import resource
import signal
import subprocess
import sys

import pytest

pytest.importorskip("rich", reason="the command line needs pip install '.[app]'")
pytest.importorskip("sklearn", reason="the named data sets need pip install '.[app]'")

from chainrule.cli import main

# A child that changes itself before it starts is a fork, of which JAX warns if another test has loaded it.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")

QUICK = ("--epochs", "2", "--hidden", "8")
TABLE = "a,b,y\n" + "".join(f"{i},{i * i % 7},{3 * i + i % 2}.5\n" for i in range(40))


def chainrule(*arguments, folder, environment=None, **settings):
    command = [sys.executable, "-m", "chainrule", *arguments]
    settings = {"capture_output": True, "check": False, "timeout": 120} | settings
    return subprocess.run(command, cwd=folder, env={**os.environ, "NO_COLOR": "1"} | (environment or {}), **settings)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (folder / "d.csv").write_text(TABLE)
    done = chainrule("train", "d.csv", *QUICK, folder=folder)
    assert done.returncode == 0, done.stderr
    (folder / "f.py").write_text("def loss(w):\n    return w * w\n\nloss.example = (1.0,)\n")
    return folder


@pytest.fixture
def call(monkeypatch, capsys, trained):
    def run(*arguments):
        monkeypatch.chdir(trained)
        monkeypatch.setattr(sys, "argv", ["chainrule", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("link", ["", "soft", "hard"])
@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("train d.csv --out HERE", "d.csv"),
        ("train d.csv --report HERE", "d.csv"),
        ("train d.csv --resume model.safetensors --out HERE", "model.safetensors"),
        ("predict model.safetensors d.csv --out HERE", "model.safetensors"),
        ("predict model.safetensors d.csv --out HERE", "d.csv"),
        ("explain model.safetensors --data d.csv --format text -o HERE", "model.safetensors"),
        ("explain model.safetensors --data d.csv --format text -o HERE", "d.csv"),
        ("explain f.py:loss --format text -o HERE", "f.py"),
        ("explain f:loss --format text -o HERE", "f.py"),
        ("graph f.py:loss -o HERE", "f.py"),
        ("graph model.safetensors --data d.csv -o HERE", "d.csv"),
        ("check f.py:loss --html HERE", "f.py"),
        ("doctor d.csv --report HERE", "d.csv"),
        ("doctor model.safetensors --data d.csv --report HERE", "model.safetensors"),
    ],
)
def test_no_input_is_overwritten(call, trained, command, kept, link):
    before = (trained / kept).read_bytes()
    here = trained / (link or kept)
    if link == "soft":
        here.symlink_to(kept)
    if link == "hard":
        here.hardlink_to(trained / kept)
    try:
        code, error = call(*command.replace("HERE", here.name).split())
    finally:
        if link:
            here.unlink()
    assert code == 2
    assert "which it would overwrite; name another place" in error
    assert (trained / kept).read_bytes() == before


def test_the_outputs_of_a_training_are_different_files(call, trained):
    code, error = call("train", "d.csv", "--out", "m.html", "--report", "m.checkpoint.html")
    assert code == 2
    assert "the checkpoint of --out, m.checkpoint.html, and --report are the same file" in error
    (trained / "m.checkpoint.csv").write_text(TABLE)
    code, error = call("train", "m.checkpoint.csv", "--out", "m.csv")
    assert code == 2
    assert "m.checkpoint.csv: is the data" in error


def test_a_device_or_a_pipe_is_no_place_for_a_model_but_for_a_report(call, trained):
    os.mkfifo(trained / "pipe")
    for place in ("/dev/null", "pipe"):
        code, error = call("train", "d.csv", *QUICK, "--out", place)
        assert code == 2
        assert "a model needs a file" in error
    assert call("predict", "model.safetensors", "d.csv", "--out", "/dev/null")[0] == 0
    with subprocess.Popen(["cat", trained / "pipe"], stdout=subprocess.PIPE) as reader:
        assert call("predict", "model.safetensors", "d.csv", "--out", "pipe")[0] == 0
        assert reader.stdout.read().startswith(b"prediction\r\n")


@pytest.mark.slow
def test_names_that_are_no_text_are_names(tmp_path):
    name = os.fsdecode(b"d\xff.csv")
    (tmp_path / name).write_text(TABLE)
    done = chainrule("train", name, *QUICK, "--out", os.fsdecode(b"m\xfe.safetensors"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"model: m\xfe.safetensors" in done.stdout
    assert "d\\udcff.csv" in (tmp_path / "report.html").read_text(encoding="utf-8")
    done = chainrule("predict", os.fsdecode(b"m\xfe.safetensors"), name, folder=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "arguments"),
    [
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ("train", "d.csv", *QUICK, "--lang", "ko")),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ("train", "d.csv", "--target", "가")),
        ({"PYTHONIOENCODING": "ascii"}, ("explain", "f.py:loss")),
        ({"PYTHONIOENCODING": "ascii"}, ("info", "model.safetensors")),
    ],
    ids=str,
)
def test_a_terminal_of_few_characters(trained, tmp_path, environment, arguments):
    for path in trained.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    done = chainrule(*arguments, folder=tmp_path, environment=environment)
    assert done.returncode == (2 if "가" in arguments else 0), done.stderr
    assert b"Traceback" not in done.stderr
    assert b"codec" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("info", "--operations"), ("predict", "model.safetensors", "long.csv")], ids=str)
def test_a_closed_pipe_ends_it_quietly(trained, arguments):
    (trained / "long.csv").write_text("a,b\n" + "1,2\n" * 20_000)
    command = [sys.executable, "-m", "chainrule", *arguments]
    with subprocess.Popen(command, cwd=trained, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) in (0, -signal.SIGPIPE)  # 0 where all of it went into the pipe before


@pytest.mark.slow
def test_standard_output_may_be_closed_from_the_start(trained):
    done = chainrule(
        "info", folder=trained, capture_output=False, stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1)
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_written_stops_nothing(tmp_path):
    """The file size is bounded, as a disk is: the checkpoint, of weights and two moments, is too large for it."""
    (tmp_path / "d.csv").write_text(TABLE)

    def bound():
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    done = chainrule(
        *("train", "d.csv", "--epochs", "3", "--hidden", "256,256", "--checkpoint-every", "0.001"),
        folder=tmp_path,
        preexec_fn=bound,
    )
    assert done.returncode == 0, done.stderr
    assert b"warning: no checkpoint: model.checkpoint.safetensors: cannot be written: File too large" in done.stderr
    assert b"The training goes on" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "model.safetensors", "report.html"]


@pytest.mark.slow
def test_where_ctrl_c_is_ignored_it_says_so_first(trained, tmp_path):
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    done = chainrule("train", str(trained / "d.csv"), *QUICK, folder=tmp_path, **ignoring)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"Ctrl-C is ignored because this runs in the background")
