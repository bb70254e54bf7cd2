"""Training on a series: split by time, baselines, what is refused, resumed, saved, reported and forecast."""

import json
import math
import re
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from tests.command import chainrule

from chainrule.data import DataError
from chainrule.data.series.series import read_series
from chainrule.jobs.training.kinds import kind_of
from chainrule.jobs.training.options import Options
from chainrule.jobs.training.report import write_report
from chainrule.jobs.training.series import SeriesJob
from chainrule.train import Callback, ModelFileError
from chainrule.train.saved.modelfile import read_arrays, write_arrays
from chainrule.train.saved.predictor import read_predictor
from chainrule.train.saved.series_recipe import SeriesRecipe, forecaster, parameters

from .odd import odd_descriptions

SMALL = Options(time="month", target="y", hidden="8", epochs=30, horizon=4, window=12)


def table(rows=120, noise=1.0):
    rng = np.random.default_rng(0)
    lines = ["month,promo,y"]
    for k in range(rows):
        promo = int(rng.random() < 0.3)
        y = 100 + 0.5 * k + 20 * math.sin(2 * math.pi * k / 12) + noise * rng.normal()
        lines.append(f"{2010 + k // 12}-{k % 12 + 1:02d}-01,{promo},{y:.3f}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def sales(tmp_path_factory):
    path = tmp_path_factory.mktemp("series") / "sales.csv"
    path.write_text(table())
    return path


def job_of(path, **changed) -> SeriesJob:
    options = replace(SMALL, **changed)
    job = kind_of(str(path), options).build(str(path), options)
    assert isinstance(job, SeriesJob)
    return job


@pytest.fixture(scope="module", params=["gru", "conv"])
def trained(request, sales):
    job = job_of(sales, model=request.param)
    job.train()
    score = job.score()
    path = sales.parent / f"{request.param}.safetensors"
    job.save(path, score)
    return path, job, score


@pytest.mark.slow
def test_it_is_better_than_the_naive_forecasts(trained):
    _, job, score = trained
    assert score.period == job.period == 12
    assert score.mae < score.best_naive == min(score.naive, score.seasonal)
    assert "% better than naive" in str(score)
    assert score.loss == pytest.approx(job.history.last["val_loss"], rel=1e-4)


def test_no_training_window_sees_the_held_out_part(sales):
    job = job_of(sales)
    assert job.cut == 96
    z = job.scaling.transform(job.series.values)
    x, y = job.training.arrays
    np.testing.assert_allclose(y[-1], z[92:96, 0], rtol=1e-6)
    np.testing.assert_allclose(x[0], z[:12], rtol=1e-6)
    assert len(x) == 96 - 12 - 4 + 1
    assert job.begins.tolist() == list(range(96, 117))
    np.testing.assert_allclose(job.scaling.mean, job.series.values[:96].mean(axis=0))


def test_without_an_epoch_of_training_it_repeats_the_last_value(sales):
    job = job_of(sales)
    job.network.head.weight.data *= 0.0
    found = job.forecasts()
    np.testing.assert_allclose(found.predicted, found.naive, rtol=1e-5)


def test_the_horizon_and_the_window_follow_the_period(sales):
    job = job_of(sales, horizon=None, window=None, model="conv")
    assert (job.recipe.horizon, job.recipe.window) == (12, 24)


@pytest.mark.parametrize("rows", [2, 3, 5, 8, 13, 30])
def test_short_series_train_or_say_why_not(tmp_path, rows):
    path = tmp_path / "short.csv"
    path.write_text(table(rows))
    try:
        job = job_of(path, horizon=None, window=None, epochs=1)
    except DataError as error:
        said = str(error)
    else:
        job.train()
        said = str(job.score().mae)
    assert ("too short" in said) if rows < 3 else np.isfinite(float(said))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"target": "z"}, "no column 'z' for --target"),
        ({"time": "promo"}, "the time 0 occurs twice"),
        ({"window": 200}, "the training part, 96 of 120 rows, is too short for a window of 200 rows and 4 after it"),
        ({"horizon": 30}, "the held-out part, 24 of 120 rows, is too short"),
        ({"window": 0}, "window: expected 1 to 100,000, got 0"),
        ({"model": "lstm"}, "model: expected gru or conv for a series, got 'lstm'"),
        ({"hidden": "8,8"}, "--hidden: expected one width such as 32 for a series, got '8,8'"),
        ({"task": "regression"}, "--task means nothing for a series"),
        ({"held_out": 0.0}, "held_out: expected a share between 0 and 1, got 0.0"),
    ],
)
def test_what_cannot_be_is_refused_before_training(sales, changed, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        job_of(sales, **changed)


def test_what_is_read_as_a_series(sales):
    assert kind_of(str(sales), Options(as_="series")).module == "series"
    assert kind_of(str(sales), Options(time="month")).module == "series"
    assert kind_of(str(sales), Options()).module == "table"


class StopAfter(Callback):
    """Ends the training as Ctrl-C does, after an epoch."""

    def on_epoch_end(self, run):
        if run.epoch == 2:
            raise KeyboardInterrupt


def test_stopping_and_going_on_equals_not_stopping(sales, tmp_path):
    whole = job_of(sales, epochs=4)
    whole.train()
    first, again = (job_of(sales, epochs=4) for _ in range(2))
    with pytest.raises(KeyboardInterrupt):
        first.train([StopAfter()])
    first.save_checkpoint(tmp_path / "checkpoint.safetensors")
    again.resume(tmp_path / "checkpoint.safetensors")
    again.train()
    for name, value in whole.model.state_dict().items():
        np.testing.assert_array_equal(again.model.state_dict()[name], value)


def test_it_forecasts_from_its_file(trained, sales):
    path, job, score = trained
    predictor = read_predictor(path)
    assert predictor.description.held_out == score
    header, rows = predictor.table(str(sales))
    rows = list(rows)
    assert header == ["month", "prediction"]
    assert [time for time, _ in rows] == ["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"]
    truth = [100 + 0.5 * k + 20 * math.sin(2 * math.pi * k / 12) for k in range(120, 124)]
    assert np.abs(np.array([float(value) for _, value in rows]) - truth).max() < 15
    x, y = predictor.examples(str(sales), 5)
    np.testing.assert_array_equal(x, job.training.arrays[0][:5])
    np.testing.assert_array_equal(y, job.training.arrays[1][:5])
    assert predictor.lines()[0] == "task: forecasting y, 4 rows from the 12 before them"


def test_data_that_do_not_fit_the_file(trained, tmp_path):
    predictor = read_predictor(trained[0])
    short = tmp_path / "short.csv"
    short.write_text(table(8))
    with pytest.raises(DataError, match="has 8 rows, and the network forecasts from 12; add the rows before"):
        predictor.table(str(short))
    short.write_text("month,y\n2020-01-01,1\n2020-02-01,2\n")
    with pytest.raises(DataError, match="no column 'promo' for an input of the network"):
        predictor.table(str(short))
    gap = table(40).splitlines()
    short.write_text("\n".join(gap[:20] + gap[32:]) + "\n")
    with pytest.raises(DataError, match="has 9 rows since its last gap"):
        predictor.table(str(short))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(format=2), "format: expected 1"),
        (lambda s: s.update(inputs=["y"]), "inputs: expected columns that differ"),
        (lambda s: s.update(inputs=[]), "scaling: expected one for each of 1"),
        (lambda s: s["clock"].update(form="sundial"), "clock.form: expected"),
        (lambda s: s["clock"].update(step=1.0), "clock: expected up to 1,000,000 days or 12,000 months"),
        (lambda s: s["clock"].update(step=1e300, months=0), "clock: expected up to 1,000,000 days"),
        (lambda s: s["recipe"].update(model="lstm"), "model: expected gru or conv"),
        (lambda s: s["recipe"].update(window=10**5), "the arrays: expected"),
        (lambda s: s["recipe"].update(hidden=10**6), "hidden: expected 1 to 10,000"),
        (lambda s: s["held_out"].update(period=None), "held_out.period: expected none without"),
        (lambda s: s["held_out"].update(mae="low"), "held_out.mae: expected a number"),
        (lambda s: s["scaling"].update(scale=[0.0, 1.0]), "expected as many positive scales"),
        (lambda s: s.pop("clock"), "description: expected the entries"),
    ],
)
def test_a_damaged_description_is_refused(trained, tmp_path, change, said):
    arrays, texts = read_arrays(trained[0])
    meta = json.loads(texts["meta"])
    change(meta)
    write_arrays(tmp_path / "changed.safetensors", arrays, {**texts, "meta": json.dumps(meta)})
    with pytest.raises(ModelFileError, match=re.escape(said)):
        read_predictor(tmp_path / "changed.safetensors")


@pytest.mark.slow
def test_something_odd_anywhere_is_refused_or_does_no_harm(trained, sales):
    for predictor in odd_descriptions(trained[0]):
        assert predictor.lines()
        with suppress(DataError, FloatingPointError):
            list(predictor.table(str(sales))[1])


def test_columns_can_be_left_out(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("t,a,note,y\n" + "".join(f"{k},{'' if k == 3 else k},n{k},{k % 12}\n" for k in range(60)))
    with pytest.raises(DataError, match="column 'a' has no number at line 5"):
        read_series(path, "y", "t")
    found = read_series(path, "y", "t", without=["a"])
    assert (found.inputs, found.said[-2:]) == (
        (),
        ("left out, because they are text: 'note'", "left out, as asked: 'a'"),
    )
    assert read_series(path, None, "t", without=["a"]).target == "y"
    assert read_series(path, None, None, without=["y", "note", "a"]).target == "t"
    for column, what in (("y", "target"), ("t", "time")):
        with pytest.raises(DataError, match=f"the {what} '{column}' cannot be left out; name another --{what}"):
            read_series(path, "y", "t", without=[column])
    with pytest.raises(DataError, match="no column 'b' to leave out"):
        read_series(path, "y", "t", without=["b"])
    options = Options(time="t", target="y", without="a,note", epochs=1, window=12, horizon=4)
    assert kind_of(str(path), options).build(str(path), options).series.inputs == ()


@pytest.mark.parametrize("model", ["gru", "conv"])
def test_the_number_of_parameters_is_known_before_the_network_is_built(model):
    recipe = SeriesRecipe(window=7, horizon=3, model=model, hidden=5)
    assert parameters(recipe, 2) == sum(p.size for p in forecaster(recipe, 2).parameters())


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_report_shows_the_forecasts_and_the_baselines(trained, sales, tmp_path, lang):
    _, job, score = trained
    sections = kind_of(str(sales), SMALL).sections()
    path = tmp_path / "report.html"
    write_report(path, job, sections, job.history, score, [], "chainrule train sales.csv", lang)
    page = path.read_text()
    for said in {"en": ["last 12 rows repeated", "last value repeated"], "ko": ["마지막 12행 반복", "마지막 값 반복"]}[
        lang
    ]:
        assert said in page
    assert "2018-01-01" in page


def test_predicting_on_the_command_line(trained, sales):
    found = chainrule("predict", trained[0], sales)
    assert found.exit_code == 0
    assert found.stdout.splitlines()[0] == "month,prediction"
    assert len(found.stdout.splitlines()) == 5
