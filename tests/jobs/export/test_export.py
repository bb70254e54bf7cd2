"""A trained network as an ONNX file: the same predictions from the same features."""

import json

import numpy as np
import pytest

from chainrule.data import DataError, load
from chainrule.jobs.export import export as module
from chainrule.jobs.export.export import export
from chainrule.jobs.training.table import TableJob
from chainrule.train import ModelFileError, save
from chainrule.train.saved.predictor import read_predictor
from chainrule.train.saved.recipe import Recipe

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

TABLES = {
    "classes": "age,city,y\n" + "".join(f"{'' if i % 5 == 0 else i},{'ab'[i % 2]},{'nyz'[i % 3]}\n" for i in range(30)),
    "numbers": "year,size,y\n" + "".join(f"{2000 + i},{1e6 * i},{1e4 + 50 * i}\n" for i in range(30)),
}


@pytest.fixture(params=[*TABLES])
def trained(request, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(TABLES[request.param])
    job = TableJob(load(path, missing="median"), Recipe((4,), epochs=2))
    job.save(tmp_path / "m.safetensors", job.score())
    return path, tmp_path / "m.safetensors"


def test_raw_features_go_in_and_predictions_come_out(trained, tmp_path):
    path, model = trained
    found = export(model, tmp_path / "m.onnx", str(path))
    predictor = read_predictor(model)
    x = predictor.features(path)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (value,) = session.run(None, {"features": x})
    expected = predictor.predict(x)
    assert value.shape == expected.shape
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    assert found.difference == np.abs(value - expected).max()
    assert found.said == f"30 rows of {path}"
    about = {prop.key: prop.value for prop in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(about["features"]) == list(predictor.description.schema.feature_names)
    assert json.loads(about.get("classes", "[]")) == predictor.class_names
    assert about["target"] == "y"


def test_without_data_rows_are_made_up_and_said_to_be(trained, tmp_path):
    assert "100 rows made up; --data FILE" in str(export(trained[1], tmp_path / "m.onnx"))


def test_a_file_that_predicts_anything_else_is_not_written(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TOLERANCE", -1.0)
    with pytest.raises(ValueError, match=r"the file's predictions differ by .*; nothing was written"):
        export(trained[1], tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_what_cannot_be_exported_is_named(trained, tmp_path):
    path, model = trained
    with pytest.raises(ValueError, match=r"--out: expected a name that ends in .onnx, got .*m.txt"):
        export(model, tmp_path / "m.txt")
    with pytest.raises(DataError, match="iris does not fit the network"):
        export(model, tmp_path / "m.onnx", "iris")
    with pytest.raises(ModelFileError):
        export(path, tmp_path / "m.onnx")
    save(tmp_path / "other", TableJob(load("iris"), Recipe((4,), epochs=1)).model, trained_on="picture")
    with pytest.raises(ModelFileError, match="trained_on"):
        export(tmp_path / "other", tmp_path / "m.onnx")
