"""Checkpoints that were damaged or made up: `load` takes them whole, or refuses them and has changed nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.train import ModelFileError
from chainrule.train.saved.modelfile import read_arrays, write_arrays

from .test_saving import Training


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound checkpoint, `sound`, and room for another, `other`."""
    folder = tmp_path_factory.mktemp("fuzz")
    training = Training()
    training.fit(1)
    training.save(folder / "sound", epoch=1)
    return folder


@pytest.fixture(scope="module")
def training() -> Training:
    training = Training(seed=3)
    training.fit(1)
    return training


def taken_or_refused(training: Training, path: Path) -> None:
    before = training.bits()
    try:
        training.load(path)
    except ModelFileError as error:
        message = str(error)
    else:
        return
    assert message.startswith(f"{path}: ")
    assert len(message) < 2000
    assert training.bits() == before


CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4)


@pytest.mark.slow
@settings(max_examples=150)
@given(changes=CHANGES, cut=st.none() | st.floats(0, 1))
def test_damaged_bytes(folder: Path, training: Training, changes: list[tuple[float, int]], cut: float | None) -> None:
    content = bytearray((folder / "sound").read_bytes())
    for place, byte in changes:
        content[int(place * len(content))] = byte
    if cut is not None:
        del content[int(cut * len(content)) :]
    (folder / "other").write_bytes(content)
    taken_or_refused(training, folder / "other")


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.sampled_from([2**31, 2**64, -(2**70), 1e300, float("nan"), float("inf"), -0.5, "", "PCG64", "0.weight"]),
    st.sampled_from([[], {}, [[]], {"$array": "optimizer.0"}, {"$array": 3}, {"$tuple": None}, {"params": []}]),
)


def places(tree: object, path: tuple = ()) -> list[tuple]:
    """The paths to every value in nested lists and dicts."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


def put(tree: object, path: tuple, value: object) -> object:
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = put(copy[path[0]], path[1:], value)
    return copy


@pytest.mark.slow
@settings(max_examples=400)
@given(data=st.data(), part=st.sampled_from(["optimizer", "loader", "scheduler", "random", "meta"]), odd=ODD)
def test_made_up_states(folder: Path, training: Training, data: st.DataObject, part: str, odd: object) -> None:
    arrays, texts = read_arrays(folder / "sound")
    tree = json.loads(texts[part])
    place = data.draw(st.sampled_from(places(tree)))
    write_arrays(folder / "other", arrays, {**texts, part: json.dumps(put(tree, place, odd))})
    taken_or_refused(training, folder / "other")


@pytest.mark.slow
@settings(max_examples=150)
@given(data=st.data(), how=st.sampled_from(["left out", "shape", "dtype", "values", "renamed"]))
def test_made_up_arrays(folder: Path, training: Training, data: st.DataObject, how: str) -> None:
    arrays, texts = read_arrays(folder / "sound")
    name = data.draw(st.sampled_from(sorted(arrays)))
    array = arrays.pop(name)
    if how != "left out":
        arrays[name + "x" * (how == "renamed")] = {
            "shape": array.reshape(-1)[: array.size // 2],
            "dtype": array.astype(data.draw(st.sampled_from(["?", "i8", "f2", "f8"]))),
            "values": np.full_like(array, np.nan if array.dtype.kind == "f" else 1),
        }.get(how, array)
    write_arrays(folder / "other", arrays, texts)
    taken_or_refused(training, folder / "other")
