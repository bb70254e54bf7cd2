"""The command line as a user meets it: each command does its job, and each wrong call says what is wrong."""

import csv
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("rich", reason="the command line needs pip install '.[app]'")
pytest.importorskip("sklearn", reason="the named data sets need pip install '.[app]'")

from tests.command import chainrule

from chainrule import nn, save
from chainrule.cli import main
from chainrule.kernels.native.cache import cache

pytestmark = pytest.mark.slow  # models are trained first, for all of them


def process(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, as an installed `chainrule` would."""
    command = [sys.executable, "-W", "error", "-c", "from chainrule.cli import main; main()", *map(str, arguments)]
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120, env=environment
    )


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Runs the command line in this process, in an empty folder: (exit code, what it said, its errors)."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["chainrule", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return stopped.value.code, said.out, said.err

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("iris")
    done = process("train", "iris", "--epochs", 20, "--hidden", "16", "--batch-size", 4, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_train_checks_gradients_trains_and_writes_model_and_report(trained):
    folder, said = trained
    worst = float(said.split("worst relative error ")[1].split()[0])
    assert worst < 1e-6
    assert "val loss" in said
    accuracy = float(said.split("held-out accuracy ")[1].split()[0])
    assert accuracy >= 75  # 30 samples: three classes by chance are 33
    html = (folder / "report.html").read_text(encoding="utf-8")
    # Loss, accuracy, the flow over the steps, gradient flow, confusion matrix, calibration, importance; the derivation
    # in one page with them.
    assert html.count("<figure>") == html.count('role="img"') == 7
    assert "Gradient flow" in html
    assert "chainrule train iris --epochs 20" in html
    assert html.count("<style>") == 1
    assert html.count('id="derivation-backward"') == 1
    assert not re.search(r'(src|href|url)[=(]"?http', html)


def test_predict_writes_a_row_for_each_sample(trained):
    folder, _ = trained
    done = process("predict", "model.safetensors", "iris", folder=folder)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert len(rows) == 150
    assert set(rows[0]) == {"prediction", "p(setosa)", "p(versicolor)", "p(virginica)"}
    assert sum(row["prediction"] == "setosa" for row in rows[:50]) > 45
    assert all(abs(sum(float(v) for k, v in row.items() if k != "prediction") - 1) < 1e-5 for row in rows)


def test_predict_into_a_file(trained):
    folder, _ = trained
    done = chainrule("predict", "model.safetensors", "iris", "--out", "p.csv", folder=folder)
    assert done.exit_code == 0, done.stderr
    assert "150 predictions: p.csv" in done.stdout
    assert len((folder / "p.csv").read_text().splitlines()) == 151


def test_info_describes_a_model(trained):
    folder, _ = trained
    done = chainrule("info", "model.safetensors", folder=folder)
    assert done.exit_code == 0, done.stderr
    assert "131 parameters" in done.stdout  # 4·16 + 16 + 16·3 + 3
    for line in (
        "task: classification",
        "data: iris",
        "features: 4 (sepal length (cm), sepal width (cm), petal length (cm), petal width (cm))",
        "classes: 3 (setosa, versicolor, virginica)",
        "hidden layers: 16; dropout 0.3",
        "trained: 20 epochs in batches of 4, learning rate 0.002, weight decay 0.05, seed 0",
    ):
        assert line in done.stdout
    assert "result: held-out accuracy " in done.stdout
    assert "{" not in done.stdout


def test_info_of_another_model_lists_its_arrays(call, tmp_path):
    save(tmp_path / "other.safetensors", nn.Linear(2, 3), task="mine")
    code, said, _ = call("info", "other.safetensors")
    assert code == 0
    assert "9 parameters" in said
    assert "task" not in said


def test_predict_for_data_of_other_features_counts_them(trained):
    folder, _ = trained
    done = chainrule("predict", "model.safetensors", "wine", folder=folder)
    assert done.exit_code == 2
    assert "wine does not fit the network, which was trained on 4 columns of iris: no column 'sepal" in done.stderr


def test_every_command_finds_the_columns_of_a_model_by_name(call, tmp_path):
    rows = [(3.5 * i + i % 2, i, "xz"[i % 2], i * i % 7) for i in range(60)]
    table = "\n".join(["price,size,kind,age", *(",".join(map(str, row)) for row in rows)])
    (tmp_path / "t.csv").write_text(table)
    (tmp_path / "moved.csv").write_text("\n".join(",".join(line.split(",")[::-1]) for line in table.splitlines()))
    (tmp_path / "less.csv").write_text(table.replace("age", "year"))
    assert call("train", "t.csv", "--target", "price", "--epochs", "2", "--hidden", "8")[0] == 0
    for command in ("explain", "graph", "doctor"):
        said = set()
        for data in ("t.csv", "moved.csv"):
            more = ("--steps", "2", "--no-remedies") if command == "doctor" else ()
            code, out, error = call(command, "model.safetensors", "--data", data, *more)
            assert code in (0, 1), error
            said.add(out)
        assert len(said) == 1
        code, _, error = call(command, "model.safetensors", "--data", "less.csv")
        assert code == 2
        assert "less.csv does not fit the network" in error
        assert "no column 'age'; 'year' is not one of them" in error
        code, _, error = call(command, "model.safetensors")
        assert code == 2
        assert "a model needs data: add --data" in error
    code, out, _ = call("predict", "model.safetensors", "moved.csv")
    assert code == 0
    assert out == call("predict", "model.safetensors", "t.csv")[1]
    assert call("predict", "model.safetensors", "less.csv")[0] == 2
    code, _, error = call("doctor", "t.csv", "--data", "t.csv")
    assert "--data goes with a model" in error


def test_a_training_that_diverges_is_one_line_and_exits_with_1(tmp_path):
    done = chainrule("train", "iris", "--epochs", 5, "--hidden", "16", "--lr", "1e30", folder=tmp_path)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: training diverged: in epoch 1")
    assert done.stderr.endswith("Lower --lr, now 1e+30\n")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_whole_numbers_can_be_a_quantity(call, tmp_path):
    (tmp_path / "rooms.csv").write_text("size,rooms\n" + "".join(f"{i},{i // 20}\n" for i in range(80)))
    arguments = ["train", "rooms.csv", "--epochs", "2", "--hidden", "8"]
    code, said, _ = call(*arguments)
    assert code == 0
    assert "--task regression to treat it as a quantity" in said
    code, said, _ = call(*arguments, "--task", "regression")
    assert code == 0
    assert "rooms: the target; a regression, as asked" in said
    assert "root mean square error" in said
    code, said, error = call("explain", "model.safetensors", "--data", "rooms.csv", "--level", "brief")
    assert code == 0, error


def test_info_describes_the_installation_and_lists_operations(tmp_path):
    assert "operations" in chainrule("info", folder=tmp_path).stdout
    listed = chainrule("info", "--operations", folder=tmp_path)
    assert listed.exit_code == 0, listed.stderr
    assert "layer_norm" in listed.stdout


def test_info_says_where_machine_code_is_kept_and_removes_it(call, tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path / "cache"))
    code, said, _ = call("info")
    assert code == 0
    assert f"kernels of captured programs: {tmp_path / 'cache' / 'native'} (0 bytes)" in said.replace("\n", "")
    cache().write("key", b"code")
    code, said, _ = call("info", "--clear-cache")
    assert code == 0
    assert "1 files removed" in said
    assert not list((tmp_path / "cache" / "native").iterdir())


def test_the_same_seed_gives_the_same_model(trained, tmp_path):
    folder, _ = trained
    process("train", "iris", "--epochs", 20, "--hidden", "16", "--batch-size", 4, folder=tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_regression_from_a_csv_file_with_text_columns(tmp_path):
    rows = [
        "size,colour,price",
        *(f"{i % 17},{'red' if i % 2 else 'blue'},{3.5 * (i % 17) + i % 2}" for i in range(120)),
    ]
    (tmp_path / "houses.csv").write_text("\n".join(rows))
    done = chainrule("train", "houses.csv", "--epochs", 30, "--lang", "ko", folder=tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "평균 제곱근 오차" in done.stdout
    assert "size: 수, 0부터 16까지" in done.stdout
    assert "colour: 텍스트, 원-핫; 범주 2개: 'blue', 'red'" in done.stdout
    assert "price: 목표; 120행에 정수만이 아닌 서로 다른 값이 34개이므로 회귀" in done.stdout
    assert "잔차" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "학습 보고서" in (tmp_path / "report.html").read_text(encoding="utf-8")
    (tmp_path / "new.csv").write_text("colour,size\nred,4\nblue,10\n")
    predicted = chainrule("predict", "model.safetensors", "new.csv", folder=tmp_path)
    values = [float(line) for line in predicted.stdout.splitlines()[1:]]
    assert values == pytest.approx([15.0, 35.0], abs=6.0)


def test_ctrl_c_saves_and_says_how_to_go_on_and_nothing_shows_of_it(tmp_path):
    arguments = ["train", "iris", "--epochs", "5", "--hidden", "16", "--batch-size", "8"]
    whole = process(*arguments, "--out", "whole.safetensors", folder=tmp_path)
    assert whole.returncode == 0, whole.stderr
    interrupting = [sys.executable, "-W", "error", "-c", STOPPING, *arguments]
    stopped = subprocess.run(interrupting, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert stopped.returncode == 130, stopped.stderr
    assert "interrupted after 2 of 5 epochs" in stopped.stdout
    assert not (tmp_path / "model.safetensors").exists()
    command = stopped.stdout.strip().splitlines()[-1].split()
    assert command == ["chainrule", *arguments, "--resume", "model.checkpoint.safetensors"]
    resumed = process(*command[1:], folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "model.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


STOPPING = """
import os, signal
from chainrule.cli import main
from chainrule.train.callbacks import Callback
from chainrule.train.logs import ProgressBar

class Stopping(ProgressBar):
    def on_batch_end(self, run):
        if (run.epoch, run.batch) == (3, 7):
            os.kill(os.getpid(), signal.SIGINT)

import chainrule.train.logs as logs
logs.ProgressBar = Stopping
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
main()
"""


@pytest.mark.parametrize("command", ["", "train", "predict", "info"])
def test_help_shows_an_example(call, command):
    code, said, _ = call(*command.split(), "--help")
    assert code == 0
    assert command == "" or "Example: chainrule" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "digit"], "did you mean 'digits'"),
        (["train", "missing.csv"], "no such file"),
        (["train", "iris", "--hidden", "a,b"], "--hidden"),
        (["train", "iris", "--epochs", "0"], "epochs"),
        (["train", "iris", "--lr", "-1"], "lr"),
        (["train", "iris", "--held-out", "1.5"], "held_out"),
        (["train", "iris", "--dropout", "1"], "dropout"),
        (["train", "iris", "--task", "regression"], "iris is a classification"),
        (["train", "nan.csv", "--out", "x", "--report", "./x"], "the same file"),
        (["explain", "missing.safetensors", "-o", "x.pdf"], "expected an ending of .html, .htm, .tex, .md, .txt"),
        (["train", "iris", "--lang", "fr"], "lang"),
        (["train", "iris", "--out", "no/such/folder/m.safetensors"], "does not exist"),
        (["train", "iris", "--resume", "other.safetensors"], "not a checkpoint of an interrupted"),
        (["train", "iris", "--resume", "missing.safetensors"], "--resume expects the checkpoint left by Ctrl-C"),
        (["train", "iris", "--resume", "nan.csv"], "--resume expects the checkpoint left by Ctrl-C"),
        (["train", "nan.csv"], "column 'a'"),
        (["train", "empty.csv"], "empty"),
        (["predict", "missing.safetensors", "iris"], "missing.safetensors"),
        (["predict", "nan.csv", "iris"], "nan.csv"),
        (["predict", "other.safetensors", "iris"], "chainrule train"),
        (["info", "missing.safetensors"], "missing.safetensors"),
        (["fly"], "invalid choice: 'fly'"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_exits_with_2(call, tmp_path, arguments, said):
    (tmp_path / "nan.csv").write_text("a,b\n1,2\nnan,3\n4,1\n")
    (tmp_path / "empty.csv").write_text("")
    save(tmp_path / "other.safetensors", nn.Linear(2, 3))
    before = set(tmp_path.iterdir())
    code, _, error = call(*arguments)
    assert code == 2
    assert said in error
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("option", ["--out", "--report"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_place_that_cannot_be_written_is_refused_before_training(call, monkeypatch, tmp_path, option, exists):
    """Stands in for a read-only folder, which the administrator could write to."""
    for other in ("model.safetensors", "report.html"):
        (tmp_path / other).touch()

    def refuse(*_args, **_settings):
        raise PermissionError(13, "Permission denied")

    really_open = Path.open

    def refuse_there(path, *arguments, **settings):
        return refuse() if path.name == "there" else really_open(path, *arguments, **settings)

    if exists:
        (tmp_path / "there").write_text("kept")
        monkeypatch.setattr(Path, "open", refuse_there)
    else:
        (tmp_path / "there").mkdir()
        really_made = tempfile.TemporaryFile
        monkeypatch.setattr(
            "tempfile.TemporaryFile", lambda dir: refuse() if dir.name == "there" else really_made(dir=dir)
        )
    code, said, error = call("train", "iris", option, "there" if exists else "there/file")
    assert code == 2
    assert ("there" if exists else "there/file") + ": cannot be written here (Permission denied)" in error
    assert "gradient check" not in said


def test_looking_whether_a_file_can_be_written_keeps_what_it_holds(call, tmp_path):
    (tmp_path / "report.html").write_text("kept")
    code, _, _ = call("train", "missing.csv")
    assert code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "kept"


def test_help_lists_every_kind_of_file(call):
    _, said, _ = call("train", "--help")
    assert "CSV, TSV, Parquet, NPZ or IDX file" in " ".join(said.split())
