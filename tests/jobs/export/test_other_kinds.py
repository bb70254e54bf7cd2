"""Networks for pictures and series as ONNX files: what goes in is as it was read, and what comes out is `predict`'s."""

import json

import numpy as np
import pytest

from chainrule.data.pictures import find_array
from chainrule.data.series.series import read_series
from chainrule.jobs.export.export import export
from chainrule.jobs.training.pictures import PictureJob
from chainrule.jobs.training.series import SeriesJob
from chainrule.train.saved.picture_description import PictureScore
from chainrule.train.saved.picture_recipe import MODELS, PictureRecipe
from chainrule.train.saved.predictor import read_predictor
from chainrule.train.saved.series_recipe import SeriesRecipe

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def run(path, name, x):
    (value,) = onnxruntime.InferenceSession(path).run(None, {name: x})
    return value, {prop.key: prop.value for prop in onnx.load(path).metadata_props}


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_pixels_go_in_and_probabilities_come_out(tmp_path, model):
    pytest.importorskip("sklearn")
    job = PictureJob(find_array("digits"), PictureRecipe(model=model, epochs=1))
    job.save(tmp_path / "m", PictureScore(1, 1.0, 1.0))
    found = export(tmp_path / "m", tmp_path / "m.onnx", "digits")
    predictor = read_predictor(tmp_path / "m")
    pixels = predictor.pixels("digits", 40)
    value, about = run(tmp_path / "m.onnx", "pictures", pixels.astype(np.float32))
    np.testing.assert_allclose(value, predictor.probabilities(pixels), atol=1e-5)
    assert json.loads(about["classes"]) == [*map(str, range(10))]
    assert about["form"] == "8×8 grey, others fitted by: crop"
    assert found.said == "256 pictures of digits"
    assert "8 pictures made up" in export(tmp_path / "m", tmp_path / "m.onnx").said


@pytest.mark.parametrize("model", ["gru", "conv"])
def test_rows_go_in_and_a_forecast_comes_out(tmp_path, model):
    rows = "".join(f"{k},{k % 3},{100 + 5 * (k % 7)}\n" for k in range(60))
    (tmp_path / "t.csv").write_text("t,a,y\n" + rows)
    series = read_series(tmp_path / "t.csv", "y", "t")
    job = SeriesJob(series, SeriesRecipe(window=8, horizon=3, model=model, hidden=4, epochs=1), None)
    job.save(tmp_path / "m", job.score())
    found = export(tmp_path / "m", tmp_path / "m.onnx", str(tmp_path / "t.csv"))
    assert found.said.startswith("50 windows of ")
    predictor = read_predictor(tmp_path / "m")
    value, about = run(tmp_path / "m.onnx", "rows", series.values[None, -8:])
    np.testing.assert_allclose(value[0], predictor.forecast(series), rtol=1e-5)
    assert (json.loads(about["columns"]), about["target"], about["time"]) == (["y", "a"], "y", "t")


def test_a_text_is_refused_by_name(tmp_path):
    from chainrule.jobs.training.kinds import TEXT
    from chainrule.jobs.training.options import Options

    (tmp_path / "t.txt").write_text("to be or not to be " * 20)
    job = TEXT.build(str(tmp_path / "t.txt"), Options(layers=1, heads=1, width=4, context=4, epochs=1))
    job.save(tmp_path / "m", job.score())
    with pytest.raises(
        ValueError, match=r"was trained on language, and cannot be exported; expected .* table, pictures"
    ):
        export(tmp_path / "m", tmp_path / "m.onnx")
