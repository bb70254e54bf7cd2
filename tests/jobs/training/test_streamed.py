"""`chainrule train` and `predict` on files that are read in blocks."""

import csv
import re

import numpy as np
import pytest

from chainrule.data import DataError, stream
from chainrule.data.streams import is_large, large
from chainrule.jobs.training.job import JobCheckpoint
from chainrule.jobs.training.kinds import STREAM, TABLE, kind_of
from chainrule.jobs.training.options import Options
from chainrule.jobs.training.report import write_report
from chainrule.jobs.training.streamed import StreamedJob, build
from chainrule.train import ModelFileError
from chainrule.train.callbacks import Callback
from chainrule.train.evaluation import evaluate
from chainrule.train.saved.predictor import read_predictor
from chainrule.train.saved.recipe import Recipe

RECIPE = Recipe(hidden=(8,), epochs=2, batch_size=32)


def columns(rows=1200):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, rows))
    colour = rng.choice(["red", "blue"], rows)
    return {"a": a, "b": b, "colour": colour, "size": 3 * a - b + 10, "y": np.where(a > b, "yes", "no")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("tables")
    table = columns()
    for k, name in enumerate(["t", "part-0", "part-1"]):
        rows = slice(None) if k == 0 else slice(600 * (k - 1), 600 * k)
        with (found / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table)
            writer.writerows(zip(*(values[rows].tolist() for values in table.values()), strict=True))
    return found


def job(path, target=None, recipe=RECIPE):
    return StreamedJob(stream(path, target, held_out=0.2, memory=1 << 16), recipe)


@pytest.mark.slow
def test_the_score_is_that_of_all_held_out_rows(folder):
    for target in ("y", "size"):
        trained = job(folder / "t.csv", target)
        trained.train()
        score = trained.score()
        x, y = trained.held_out.first(10_000)
        expected = evaluate(trained.model, trained.loss, (x, y))
        assert score.samples == len(x) == len(trained.held_out)
        assert score.loss == pytest.approx(expected["loss"])
        if target == "y":
            assert score.accuracy == expected["accuracy"]
            np.testing.assert_array_equal(score.confusion, expected["confusion"])
        else:
            scaling = trained.target_scaling
            residuals = scaling.inverse(y[:, 0]) - scaling.inverse(expected["predictions"][:, 0])
            assert score.rmse == pytest.approx(np.sqrt(np.mean(residuals**2)))
            assert np.abs(score.truth - score.predicted).max() == pytest.approx(np.abs(residuals).max())


@pytest.mark.slow
def test_predictions_are_those_of_a_whole_read(folder, tmp_path, monkeypatch):
    trained = job(folder / "t.csv")
    trained.train()
    trained.save(tmp_path / "m.safetensors", trained.score())
    predictor = read_predictor(tmp_path / "m.safetensors")
    header, rows = predictor.table(str(folder / "t.csv"))
    whole = [*rows]
    assert len(whole) == 1200
    assert predictor.table(str(folder / "part-*.csv"))[0] == header
    assert [*predictor.table(str(folder / "part-*.csv"))[1]] == whole
    monkeypatch.setattr(large, "LARGE", 0.0)
    assert is_large(folder / "t.csv")
    assert [*predictor.table(str(folder / "t.csv"))[1]] == whole


def test_the_kind_is_chosen_by_size(folder, monkeypatch):
    path = str(folder / "t.csv")
    assert kind_of(path, Options()) is TABLE
    assert kind_of(path, Options(stream=True)) is STREAM
    assert kind_of(str(folder / "part-*.csv"), Options()) is STREAM
    assert STREAM.files(str(folder / "part-*.csv")) == [folder / "part-0.csv", folder / "part-1.csv"]
    monkeypatch.setattr(large, "LARGE", 0.0)
    assert kind_of(path, Options()) is STREAM
    assert kind_of(path, Options(stream=False)) is TABLE
    assert kind_of("digits", Options()) is TABLE
    said = build(path, Options(hidden="4")).said
    assert re.match(
        r"read in blocks, 0\.1 MB: more than a quarter of the [\d,]+ MB of free memory; --no-stream", said[1]
    )


def test_no_output_overwrites_a_file_of_a_pattern(folder, tmp_path, monkeypatch):
    from chainrule.cli.app import data_files

    assert data_files(str(folder / "part-*.csv")) == {
        f"the data ({folder / 'part-0.csv'})": folder / "part-0.csv",
        f"the data ({folder / 'part-1.csv'})": folder / "part-1.csv",
    }


def test_options_and_files_that_do_not_fit_are_refused(folder):
    with pytest.raises(ValueError, match=r"--search: .* these are read in blocks; give --no-stream"):
        STREAM.build(str(folder / "t.csv"), Options(stream=True, search=3))
    with pytest.raises(DataError, match=r"digits: cannot be read in blocks, as .* files can; leave --stream out"):
        STREAM.build("digits", Options(stream=True))


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("target", ["y", "size"])
def test_the_report_says_how_it_was_read(folder, tmp_path, lang, target):
    trained = job(str(folder / "part-*.csv"), target)
    history = trained.train()
    write_report(tmp_path / "r.html", trained, STREAM.sections(), history, trained.score(), [], "chainrule", lang)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    for wanted in {"en": ["in blocks", "samples per second", "peak memory"], "ko": ["블록", "초당", "최대 메모리"]}[
        lang
    ]:
        assert wanted in text


@pytest.mark.slow
def test_a_checkpoint_resumes_bit_for_bit_and_only_here(folder, tmp_path):
    class Stop(Callback):
        def on_batch_end(self, run):
            if (run.epoch, run.batch) == (2, 5):
                raise KeyboardInterrupt

    whole = job(folder / "t.csv")
    whole.train()
    stopped = job(folder / "t.csv")
    with pytest.raises(KeyboardInterrupt):
        stopped.train([JobCheckpoint(stopped, tmp_path / "c", 1e9), Stop()])
    stopped.save_checkpoint(tmp_path / "c")
    resumed = job(folder / "t.csv")
    resumed.resume(tmp_path / "c")
    resumed.train()
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(resumed.model.state_dict()[name], array)
    with pytest.raises(ModelFileError, match="was saved with"):
        job(str(folder / "part-*.csv"), "size").resume(tmp_path / "c")
    TABLE.build(str(folder / "t.csv"), Options(hidden="8", epochs=2)).save_checkpoint(tmp_path / "d")
    with pytest.raises(ModelFileError, match="was saved with reading None"):
        whole.resume(tmp_path / "d")
