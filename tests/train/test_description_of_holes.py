"""What a model file says of how a table was read: kept, and held against what it may be."""

import copy
import json
import random

import numpy as np
import pytest

from chainrule.data import Feature, load
from chainrule.jobs.training.table import TableJob
from chainrule.train import ModelFileError
from chainrule.train import load as load_file
from chainrule.train.saved.description import Description
from chainrule.train.saved.modelfile import read_arrays, write_arrays
from chainrule.train.saved.predictor import read_predictor
from chainrule.train.saved.recipe import Recipe

TABLE = "id,age,when,flag,city,y\n" + "".join(
    f"{i},{'' if i % 4 == 0 else 20 + i},2024-{1 + i % 12:02}-{1 + i % 28:02},{i % 3 == 0},{'abc'[i % 3]},{i % 2}\n"
    for i in range(40)
)
ODD = [
    None,
    True,
    0,
    -1,
    2**70,
    0.5,
    float("nan"),
    "",
    "mean",
    "error",
    "ymd",
    "days",
    "missing",
    [],
    {},
    [["a"]],
    ["a"],
]


@pytest.fixture(scope="module", params=["mean", "indicator"])
def trained(request, tmp_path_factory):
    """A table's path, its job, and the job's model file."""
    folder = tmp_path_factory.mktemp("holes")
    path = folder / "t.csv"
    path.write_text(TABLE)
    data = load(path, "y", task="classification", missing=request.param, unknown="ignore", without=["id"])
    job = TableJob(data, Recipe((4,), epochs=1))
    job.save(folder / "m", job.score())
    return path, job, folder / "m"


def test_a_saved_network_reads_and_predicts_as_it_was_trained(trained, tmp_path):
    path, job, file = trained
    predictor = read_predictor(file)
    assert predictor.description.schema == job.schema
    np.testing.assert_array_equal(predictor.description.imputer.values, job.imputer.values)
    x = predictor.features(path)
    assert np.isnan(x).any()
    found = predictor.predict(x)
    assert found.shape == (40, 2)
    assert np.isfinite(found).all()
    filled = job.imputer.transform(x)
    np.testing.assert_array_equal(predictor.predict(filled), found)
    scaled, labels = predictor.examples(str(path), 5)
    assert np.isfinite(scaled).all()
    assert len(labels) == 5
    new = tmp_path / "new.csv"
    new.write_text("age,when,flag,city\n,2024-05-05,true,nowhere\n")
    assert np.isfinite(predictor.predict(predictor.features(new))).all()
    predictor.choose(unknown="error")
    with pytest.raises(ValueError, match="'nowhere' at line 2"):
        predictor.features(new)
    assert any("missing values: " in line for line in predictor.lines())


def test_a_large_file_with_holes_is_predicted_for_in_blocks(trained, monkeypatch):
    path, _, file = trained
    predictor = read_predictor(file)
    expected = [*predictor.table(str(path))[1]]
    monkeypatch.setattr("chainrule.train.saved.table_predictor.is_large", lambda source: True)
    assert [*predictor.table(str(path))[1]] == expected


def test_filling_and_scaling_come_from_the_training_part_only(trained):
    _, job, _ = trained
    j = job.data.features.index(Feature("age"))
    kept = np.setdiff1d(np.arange(len(job.data.x)), job.held_out_rows)
    column = job.data.x[kept, j]
    assert job.imputer.values[j] == getattr(np, "nanmean" if job.data.reading.missing == "mean" else "nanmedian")(
        column
    )
    assert np.isfinite(job.training.arrays[0]).all()
    assert np.isfinite(job.held_out.arrays[0]).all()


def test_another_way_to_fill_is_another_job(trained, tmp_path):
    path, job, _ = trained
    job.save_checkpoint(tmp_path / "c")
    data = load(path, "y", task="classification", missing="median", unknown="ignore", without=["id"])
    with pytest.raises(ModelFileError, match="was saved with content"):
        TableJob(data, Recipe((4,), epochs=1)).resume(tmp_path / "c")


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("reading", None, "reading: expected the entries dates, missing, unknown, without, got None"),
        ("reading.missing", "zero", "reading.missing: expected 'error' or 'mean' or .*, got 'zero'"),
        ("reading.missing", "drop", "filling: expected none where missing values are drop"),
        ("reading.unknown", 1, "reading.unknown: expected 'error' or 'ignore', got 1"),
        ("reading.without", "id", "reading.without: expected a list, got 'id'"),
        ("reading.without", [1], "reading.without: expected text, got 1"),
        ("reading.dates", [["when", "iso"]], "reading.dates: expected 'ymd' or .*, got 'iso'"),
        ("reading.dates", [["when"]], "reading.dates: expected pairs of a column and a form"),
        ("reading.dates", [["when", "ymd"]] * 2, "reading.dates: expected each column once"),
        ("reading.dates", [], "the forms of dates .* are not those of the columns of dates"),
        ("filling", None, "filling: expected a list, got None"),
        ("filling", [0.0], "filling: expected one for each of the .* features, got '1 numbers'"),
        ("features.0", ["age", "x", "missing"], "features: expected a category or a part, not both"),
        ("features.0", ["age", None, "sin"], "features: expected 'days' or .*, got 'sin'"),
        ("features.0", ["other", None, "missing"], "has no feature besides that it is missing"),
    ],
)
def test_what_is_wrong_is_named(trained, entry, value, message):
    _, _, file = trained
    found = load_file(file)
    meta = copy.deepcopy(found.meta)
    *way, last = [int(key) if key.isdigit() else key for key in entry.split(".")]
    parent = meta
    for key in way:
        parent = parent[key]
    parent[last] = value
    with pytest.raises(ModelFileError, match=message):
        Description.from_meta(file, meta, found.model)


def test_any_change_is_refused_or_predicts_finite_values(trained, tmp_path):
    path, _, file = trained
    arrays, texts = read_arrays(file)
    rng, x = random.Random(0), read_predictor(file).features(path)[:2]
    refused = 0
    for _ in range(100):
        meta = json.loads(texts["meta"])
        holder = rng.choice([meta, meta["reading"], meta["reading"]["dates"][0], meta["filling"], meta["features"]])
        holder[rng.choice([*holder] if isinstance(holder, dict) else range(len(holder)))] = copy.deepcopy(
            rng.choice(ODD)
        )
        write_arrays(tmp_path / "m", arrays, texts | {"meta": json.dumps(meta)})
        try:
            predictor = read_predictor(tmp_path / "m")
        except ModelFileError:
            refused += 1
            continue
        try:
            assert np.isfinite(predictor.predict(x)).all()
        except FloatingPointError:
            continue
    assert 30 < refused < 100


def test_a_plain_table_is_described_as_it_always_was(tmp_path):
    job = TableJob(load("iris"), Recipe((4,), epochs=1))
    job.save(tmp_path / "m", job.score())
    meta = load_file(tmp_path / "m").meta
    assert {"reading", "filling"}.isdisjoint(meta)
    assert all(len(feature) == 2 for feature in meta["features"])
