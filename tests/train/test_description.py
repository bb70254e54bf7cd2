"""What a model file says of its network is held against what it may be before anything is built of it."""

import copy
import json
import random
import tracemalloc

import numpy as np
import pytest

from chainrule import nn
from chainrule.data import Data
from chainrule.jobs.training.table import TableJob
from chainrule.train import History, ModelFileError, load, save
from chainrule.train.saved.description import Description
from chainrule.train.saved.modelfile import read_arrays, write_arrays
from chainrule.train.saved.predictor import read_predictor
from chainrule.train.saved.recipe import Recipe
from chainrule.train.saved.table_predictor import TablePredictor

VALUES = [
    *(None, True, False, 0, 1, -1, 2, 2**31, 2**63, 10**400, 1.5, -0.5, float("nan"), float("inf"), 1e308),
    *("", "x", "\ud800", "\x1b[31m", "classification", "regression", "MSELoss"),
    *([], {}, [[]], [8] * 50, [2**31], ["a"], [None], [1.0, "x"], [["a", None]] * 3, {"mean": [], "scale": []}),
]


def job_of(task):
    rng = np.random.default_rng(0)
    x, names = rng.normal(size=(30, 3)), ("a", "b", "c")
    if task == "classification":
        return TableJob(
            Data(x, np.arange(30) % 3, task, names, ("u", "v", "w"), "d", "drawn"), Recipe((4, 5), epochs=1)
        )
    return TableJob(Data(x, rng.normal(size=30), task, names, (), "d", "drawn"), Recipe((4, 5), epochs=1))


@pytest.fixture(scope="module", params=["classification", "regression"])
def file(request, tmp_path_factory):
    """A model's path, with its metadata and arrays."""
    path = tmp_path_factory.mktemp("described") / "m"
    job = job_of(request.param)
    job.save(path, job.score())
    found = load(path)
    return path, found.meta, found.model


def places(value, path=()):
    """Every place in a tree of dicts and lists."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def changed(meta, rng):
    """The metadata with one or two places changed."""
    meta = copy.deepcopy(meta)
    for _ in range(rng.choice([1, 1, 1, 2])):
        *way, last = rng.choice([place for place in places(meta) if place])
        parent = meta
        for key in way:
            parent = parent[key]
        kind = rng.randrange(4)
        if kind == 0:
            parent[last] = copy.deepcopy(rng.choice(VALUES))
        elif kind == 1 and isinstance(parent, list):
            parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(rng.choice([parent[last], *VALUES])))
        elif kind == 2:
            del parent[last]
        else:
            parent[last] = copy.deepcopy(rng.choice(list(meta.values())))
    return meta


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_description_is_refused_or_works(file, seed):
    """Any change either leaves a description that predicts finite values, or is a ModelFileError."""
    path, meta, arrays = file
    rng, x = random.Random(seed), np.zeros((2, 3))
    refused = 0
    for _ in range(1000):
        other = json.loads(json.dumps(changed(meta, rng)))
        try:
            said = Description.from_meta(path, other, arrays)
        except ModelFileError:
            refused += 1
            continue
        assert all(line.encode() for line in said.lines())
        model = nn.Sequential()
        assert np.isfinite(TablePredictor(model, said).description.scaling.transform(x)).all()
    assert 500 < refused < 1000


def test_a_changed_file_predicts_finite_values_or_is_refused(file, tmp_path):
    path, meta, _ = file
    arrays, texts = read_arrays(path)
    rng, predicted = random.Random(0), 0
    for _ in range(100):
        write_arrays(tmp_path / "m", arrays, texts | {"meta": json.dumps(changed(meta, rng))})
        try:
            values = read_predictor(tmp_path / "m").predict(np.zeros((2, 3)))
        except (ModelFileError, FloatingPointError):
            continue
        predicted += 1
        assert np.isfinite(values).all()
    assert predicted > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": {"hidden": [2**31, 5]}}, "hidden: expected at most 1000 positive layer widths of at most 100,000"),
        ({"recipe": {"hidden": [8] * 200_000}}, "hidden: expected at most 1000 positive layer widths"),
        ({"recipe": {"hidden": [8] * 200}}, "recipe.hidden: expected as many layers as the file's 6 arrays make"),
        ({"recipe": {"hidden": "45"}}, "recipe.hidden: expected a list, got '45'"),
        ({"recipe": {"lr": float("nan")}}, "recipe.lr: expected a finite number, got nan"),
        ({"recipe": {"epochs": 1.5}}, "recipe.epochs: expected a whole number from 1, got 1.5"),
        ({"recipe": {"dropout": 1}}, "dropout: expected a share from 0 to below 1, got 1"),
        ({"scaling": {"scale": [1.0, 0.0, 1.0]}}, "expected as many positive scales as means"),
        ({"scaling": {"mean": [0.0, 10**400, 1.0]}}, "int too large"),
        ({"scaling": {"mean": ["0", "1", "2"]}}, "scaling.mean: expected a number, got '0'"),
        ({"features": [["a", None]] * 3}, "the feature Feature.column='a', category=None, part=None. occurs twice"),
        ({"features": ["abc"]}, "features: expected a column, a category or null, and perhaps a part, got 'abc'"),
        ({"task": "clustering"}, "task: expected 'classification' or 'regression', got 'clustering'"),
        ({"data": "\ud800"}, "data: expected text that UTF-8 can hold"),
        ({"loss": "HingeLoss"}, "loss: expected '...Loss', got 'HingeLoss'"),
        ({"format": 1}, "no description of format 2.; train it again"),
        ({"format": True}, "no description of format 2.; train it again"),
    ],
)
def test_what_is_wrong_is_named(file, change, message):
    path, meta, arrays = file
    other = copy.deepcopy(meta)
    for key, value in change.items():
        other[key] = other[key] | value if isinstance(value, dict) else value
    message = message.replace("...Loss", meta["loss"])
    tracemalloc.start()
    with pytest.raises(ModelFileError, match=message):
        Description.from_meta(path, other, arrays)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_arrays_that_are_not_those_of_the_network_are_refused(file, tmp_path):
    path, _, _ = file
    arrays, texts = read_arrays(path)
    for change in (
        {"model.0.weight": np.full((3, 4), np.nan, np.float32)},
        {"model.0.weight": np.zeros((3, 4))},
        {"model.3.bias": np.zeros(6, np.float32)},
        {"model.more": np.zeros(6, np.float32)},
    ):
        write_arrays(tmp_path / "m", arrays | change, texts)
        with pytest.raises(ModelFileError, match=r"what the file says of its network is damaged: (array|recipe)"):
            read_predictor(tmp_path / "m")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"x"', "[" * 100_000, "{", '{"format": ' + "9" * 5000 + "}"])
def test_metadata_that_are_no_entries_are_refused(file, tmp_path, text):
    arrays, texts = read_arrays(file[0])
    write_arrays(tmp_path / "m", arrays, texts | {"meta": text})
    for read in (load, read_predictor):
        with pytest.raises(ModelFileError):
            read(tmp_path / "m")


@pytest.mark.slow
def test_a_changed_checkpoint_is_refused_or_works(tmp_path):
    job = job_of("classification")
    job.train()
    job.save_checkpoint(tmp_path / "whole")
    arrays, texts = read_arrays(tmp_path / "whole")
    rng = random.Random(0)
    for k in range(150):
        part = ("meta", "history", "loader", "scheduler", "optimizer")[k % 5]
        write_arrays(tmp_path / "m", arrays, texts | {part: json.dumps(changed(json.loads(texts[part]), rng))})
        other = job_of("classification")
        before = other.model.state_dict()
        try:
            other.resume(tmp_path / "m")
        except ModelFileError:
            assert all(np.array_equal(before[name], array) for name, array in other.model.state_dict().items())
            assert other.history.rows == []


def test_a_history_in_a_file_is_checked(tmp_path):
    save(tmp_path / "m", nn.Linear(2, 2), history=History([{"epoch": 1, "loss": 0.5}]))
    arrays, texts = read_arrays(tmp_path / "m")
    for text in ("[]", "{}", '{"rows": [{"loss": 1}]}', '{"rows": [], "decided": []}', '{"rows": [], "compiled": 1}'):
        write_arrays(tmp_path / "m", arrays, texts | {"history": text})
        with pytest.raises(ModelFileError, match="history: "):
            load(tmp_path / "m", history=History())
