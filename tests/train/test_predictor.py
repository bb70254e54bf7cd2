"""A model file remembers what it was trained on: columns, target, scaling, classes, loss, whatever they are called."""

import csv

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.data import Data, DataError, load
from chainrule.jobs.targets import InputSource, call_of
from chainrule.jobs.training.table import TableJob
from chainrule.train.saved.predictor import read_predictor
from chainrule.train.saved.recipe import Recipe

NASTY = st.text(st.sampled_from("==='\"(), ;abx2\té\u202e<>[]/\\%"), min_size=1, max_size=4)
NAME = st.one_of(NASTY, st.sampled_from(["a", "a=x", "a=x (2)", "a=", "=", "p(a)", "a'=x", "\u1100\u1161", "가"]))


@st.composite
def tables(draw):
    """A table with nasty names and nasty texts, of which the names often look like those of a category."""
    rows = draw(st.integers(6, 9))
    names = draw(st.lists(NAME.map(str.strip).filter(bool), min_size=2, max_size=5, unique=True))
    texts = st.lists(NAME.map(str.strip).filter(bool), min_size=1, max_size=3, unique=True)
    columns = []
    for k, _ in enumerate(names):
        if k > 0 and draw(st.booleans()):
            kinds = draw(texts)
            columns.append([kinds[(i + k) % len(kinds)] for i in range(rows)])
        else:
            columns.append([str(0.5 * i * (k + 1)) for i in range(rows)])
    return names, [list(row) for row in zip(*columns, strict=True)]


def written(path, names, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    return path


@pytest.mark.slow
@settings(max_examples=60)
@given(table=tables(), target=st.integers(0, 4), order=st.randoms())
def test_what_is_read_for_a_prediction_is_what_was_trained_on(tmp_path_factory, table, target, order):
    folder = tmp_path_factory.mktemp("nasty")
    names, rows = table
    path = written(folder / "t.csv", names, rows)
    try:
        data = load(path, target % len(names))
        job = TableJob(data, Recipe(hidden=(3,), epochs=1))
    except (DataError, ValueError):
        assume(False)
    has_header = len(data.x) == len(rows)  # a name may be a number
    assert len(set(data.feature_names)) == len(data.feature_names)
    for name, feature, column in zip(data.feature_names, data.features, data.x.T, strict=True):
        assert name.startswith(feature.column)
        if has_header:
            of = [row[names.index(feature.column)] for row in rows]
            wanted = [float(c) if feature.category is None else float(c == feature.category) for c in of]
            assert column.tolist() == wanted
    job.save(folder / "m", job.score())
    predictor = read_predictor(folder / "m")
    with cr.no_grad():
        outputs = job.model.eval()(job.scaling.transform(data.x).astype(np.float32)).numpy()
    found = predictor.predict(predictor.features(path))
    if data.class_names:
        expected = nn.functional.softmax(outputs, axis=-1).astype(np.float64)
    else:
        expected = job.target_scaling.inverse(outputs[:, 0])
    np.testing.assert_array_equal(found, expected)
    again = predictor.read(path)
    np.testing.assert_array_equal(again.x, data.x)
    np.testing.assert_array_equal(again.y, data.y)
    if has_header:
        # In another order, and without the target.
        kept = [k for k in range(len(names)) if names[k] != data.target]
        order.shuffle(kept)
        less = written(folder / "less.csv", [names[k] for k in kept], [[row[k] for k in kept] for row in rows])
        np.testing.assert_array_equal(predictor.predict(predictor.features(less)), found)


@pytest.fixture
def trained(tmp_path):
    """A regression whose target is the first of its columns."""
    rows = [[f"{3 * i + (i % 2)}.5", str(i), "xz"[i % 2], str(i * i % 7)] for i in range(30)]
    path = written(tmp_path / "t.csv", ["price", "size", "kind", "age"], rows)
    job = TableJob(load(path, "price"), Recipe(hidden=(4,), epochs=2))
    job.train()
    job.save(tmp_path / "m.safetensors", job.score())
    return tmp_path, job


def test_it_says_what_it_was_trained_on(trained):
    folder, job = trained
    said = read_predictor(folder / "m.safetensors").description
    assert said.schema == job.data.schema
    assert said.schema.target == "price"
    assert said.loss == "MSELoss"
    assert "target: price" in said.lines()


@pytest.mark.parametrize("suffix", ["", "reordered"])
def test_explain_derives_the_loss_of_the_training(trained, suffix):
    folder, job = trained
    path = folder / "t.csv"
    if suffix:
        rows = [line.split(",") for line in path.read_text().replace('"', "").splitlines()]
        moved = [[row[k] for k in (2, 0, 3, 1)] for row in rows]
        path = written(folder / "r.csv", moved[0], moved[1:])
    call = call_of(str(folder / "m.safetensors"), InputSource(str(path), samples=5))
    np.testing.assert_array_equal(call.args[0], job.scaling.transform(job.data.x[:5]))
    np.testing.assert_array_equal(call.target[:, 0], job.target_scaling.transform(job.data.y)[:5])
    assert isinstance(call.loss, nn.MSELoss)


def test_a_part_of_the_data_has_the_classes_of_the_training(tmp_path):
    rows = [[str(i % 5), f"{i % 3}.5", "abc"[i % 3]] for i in range(30)]
    job = TableJob(load(written(tmp_path / "t.csv", ["u", "v", "kind"], rows)), Recipe(hidden=(3,), epochs=1))
    job.save(tmp_path / "m.safetensors", job.score())
    part = written(tmp_path / "c.csv", ["u", "v", "kind"], [["1", "2", "c"], ["2", "3", "c"]])
    assert call_of(str(tmp_path / "m.safetensors"), InputSource(str(part))).target.tolist() == [2, 2]


def test_a_target_with_another_name_can_be_named(trained):
    folder, _ = trained
    text = (folder / "t.csv").read_text().replace("price", "cost")
    (folder / "new.csv").write_text(text)
    path = str(folder / "m.safetensors")
    with pytest.raises(DataError, match="no column 'price'; 'cost' is not one of them"):
        call_of(path, InputSource(str(folder / "new.csv")))
    assert call_of(path, InputSource(str(folder / "new.csv"), target="cost")).target.shape == (2, 1)
    with pytest.raises(ValueError, match="trained for a regression, got 'classification'"):
        call_of(path, InputSource(str(folder / "t.csv"), task="classification"))


def test_a_prediction_that_is_not_finite_is_an_error(trained):
    folder, _ = trained
    predictor = read_predictor(folder / "m.safetensors")
    x = np.zeros((3, 4))
    x[1, 0] = 1e300
    with pytest.raises(FloatingPointError, match="the prediction for row 1 is not finite, as for 1 of 3 rows"):
        predictor.predict(x)


def test_data_made_by_hand_can_be_predicted_for(tmp_path):
    rng = np.random.default_rng(0)
    data = Data(rng.normal(size=(30, 2)), rng.normal(size=30), "regression", ("a", "b"), (), "mine", "drawn")
    job = TableJob(data, Recipe(hidden=(3,), epochs=1))
    job.save(tmp_path / "m", job.score())
    assert read_predictor(tmp_path / "m").predict(data.x).shape == (30,)
