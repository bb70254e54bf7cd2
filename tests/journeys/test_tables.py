"""A table as people have it, on the command line: from its faults to a model for another program."""

import sys

import pytest

pytest.importorskip("rich", reason="the command line needs pip install '.[app]'")

from chainrule.cli import main

ROWS = "name,when,city,size,y\n" + "".join(
    f"n{i},2024-{1 + i % 12:02}-15,{('서울', '부산', '대구')[i % 3]},{'' if i % 7 == 0 else 40 + i},"
    f"{'좋음' if i % 2 else '나쁨'}\n"
    for i in range(60)
)
SMALL = ("--epochs", "2", "--hidden", "4")


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Runs the command line in the folder of the table t.csv, in CP949: (exit code, what it said, its errors)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_bytes(ROWS.encode("cp949"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["chainrule", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return stopped.value.code or 0, said.out, said.err

    return run


@pytest.mark.slow
def test_from_the_faults_to_predictions_and_another_program(call, tmp_path):
    code, _, error = call("train", "t.csv")
    assert code == 2
    assert "t.csv: 10 faults:" in error
    assert "--without name" in error
    assert "--missing mean, median, indicator or drop" in error

    choices = ("--without", "name", "--missing", "indicator", "--unknown", "ignore")
    code, said, error = call("train", "t.csv", *choices, *SMALL)
    assert code == 0, error
    assert "read as CP949" in said
    assert "9 missing, said by a feature" in said
    assert "dates, year-month-day" in said

    (tmp_path / "new.csv").write_text("when,city,size\n2025-01-01,제주,\n", encoding="utf-8")
    code, said, error = call("predict", "model.safetensors", "new.csv")
    assert code == 0, error
    assert said.splitlines()[0] == "prediction,p(나쁨),p(좋음)"
    code, _, error = call("predict", "model.safetensors", "new.csv", "--unknown", "error")
    assert code == 2
    assert "column 'city' contains '제주' at line 2" in error
    code, said, error = call("info", "model.safetensors")
    assert "missing values: indicator" in said
    assert "unknown categories: ignore" in said

    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    code, said, error = call("export", "model.safetensors", "-o", "m.onnx", "--data", "t.csv")
    assert code == 0, error
    assert "output probabilities float32[N, 2]; largest difference" in said
    assert "60 rows of t.csv" in said


@pytest.mark.slow
def test_a_search_says_what_it_found_and_the_report_lists_it(call, tmp_path):
    options = ("--without", "name", "--missing", "median", "--search", "2", "--batch-size", "32")
    code, said, error = call("train", "t.csv", *options, *SMALL)
    assert code == 0, error
    assert "search, round 1 of 1: 2 settings for 2 epochs" in said
    assert "the best of 2 settings: --hidden 4 --epochs 2 --batch-size 32 --lr 0.00" in said
    assert "Settings tried" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "t.csv", "--missing", "zero"), "missing: expected one of error, mean, median, drop, indicator"),
        (("train", "t.csv", "--unknown", "x"), "unknown: expected one of error, ignore, got 'x'"),
        (("train", "t.csv", "--without", "nmae"), "no column 'nmae' to leave out; did you mean 'name'?"),
        (("train", "t.csv", "--encoding", "utf-8"), "is not UTF-8; name another with --encoding"),
        (("train", "t.csv", "--encoding", "klingon"), "'klingon' is no encoding of text"),
        (("train", "iris", "--missing", "mean"), "iris comes complete: --missing mean is for tables"),
        (("train", "iris", "--search", "1"), "--search: expected at least 2 settings to choose from, got 1"),
        (("train", "iris", "--search", "3", "--resume", "c"), "give them instead of --search"),
        (("train", "t.csv", "--weight-decay", "-1"), "weight_decay"),
        (("export", "t.csv", "-o", "m.onnx"), "t.csv"),
        (("export", "t.csv", "-o", "m.txt"), "expected a name that ends in .onnx"),
        (("predict", "t.csv", "t.csv"), "t.csv"),
    ],
)
def test_wrong_calls_are_one_line_before_training(call, arguments, said):
    code, _, error = call(*arguments)
    assert code == 2
    assert said in error
    assert len(error.strip().splitlines()) == 1
