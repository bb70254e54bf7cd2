"""Saving and loading: what comes back is what was saved, training goes on as if it had never stopped, and a file that
does not fit changes nothing."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.random import default_generator
from chainrule.data import DataLoader
from chainrule.train import ModelFileError, ModelFileMissing, fit, load, save
from chainrule.train.saved.modelfile import read_arrays, write_arrays
from chainrule.train.saved.packing import pack, plain, unpack

OPTIMIZERS = {
    "sgd": lambda model: optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda model: optim.Adam(model.parameters(), lr=0.01),
    "adamw": lambda model: optim.AdamW(model.named_parameters(), lr=0.01),
    "rmsprop": lambda model: optim.RMSprop(model.parameters(), lr=0.01),
    "adagrad": lambda model: optim.Adagrad(model.parameters(), lr=0.01),
}


def points(samples: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, 4))
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def network(hidden: int = 8, generator: np.random.Generator | None = None) -> nn.Module:
    return nn.Sequential(
        nn.Linear(4, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.3, generator), nn.Linear(hidden, 2)
    )


class Training:
    """A model with everything that trains it, made from scratch by a seed."""

    def __init__(self, kind: str = "adam", seed: int = 1, hidden: int = 8, own_generator: bool = False) -> None:
        cr.seed(seed)
        self.model = network(hidden, np.random.default_rng(seed) if own_generator else None)
        self.optimizer = OPTIMIZERS[kind](self.model)
        self.scheduler = optim.lr_scheduler.StepLR(self.optimizer, 2, gamma=0.5)
        self.loader = DataLoader(points(), batch_size=8, shuffle=True, seed=seed)

    def fit(self, epochs: int) -> list[float]:
        history = fit(
            self.model, nn.CrossEntropyLoss(), self.optimizer, self.loader, epochs=epochs, scheduler=self.scheduler
        )
        return history["loss"]

    def step(self) -> float:
        """One step, which uses the loader's next batch of this epoch."""
        x, y = next(iter(self.loader))
        self.optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return float(loss)

    def save(self, path, **meta) -> None:
        save(path, self.model, self.optimizer, self.loader, scheduler=self.scheduler, **meta)

    def load(self, path):
        return load(path, self.model, self.optimizer, self.loader, scheduler=self.scheduler)

    def bits(self) -> str:
        """Everything that has a state, to the bit."""
        states = [part.state_dict() for part in (self.model, self.optimizer, self.loader, self.scheduler)]
        states.append(default_generator().bit_generator.state)
        states.append([m.generator.bit_generator.state for m in self.model.modules() if getattr(m, "generator", None)])
        text, arrays = pack(states, "all")
        return text + str({name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()})


def test_what_was_saved_comes_back(tmp_path):
    training = Training()
    training.fit(2)
    training.save(tmp_path / "m", epoch=2, classes=("no", "yes"), best=np.float32(0.5))
    found = load(tmp_path / "m")
    assert found.meta == {"epoch": 2, "classes": ["no", "yes"], "best": 0.5}
    assert found.path == str(tmp_path / "m")
    expected = training.model.state_dict()
    assert found.model.keys() == expected.keys()
    for name, array in expected.items():
        assert (found.model[name].dtype, found.model[name].tobytes()) == (array.dtype, array.tobytes())
    assert found.loader == training.loader.state_dict()
    assert found.scheduler == training.scheduler.state_dict()
    assert found.optimizer["param_groups"] == training.optimizer.state_dict()["param_groups"]


@pytest.mark.parametrize("own_generator", [False, True])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_goes_on_to_the_bit(tmp_path, kind, own_generator):
    whole = Training(kind, own_generator=own_generator)
    losses = whole.fit(5)

    first = Training(kind, own_generator=own_generator)
    assert first.fit(2) == losses[:2]
    first.save(tmp_path / "m")
    resumed = Training(kind, seed=99, own_generator=own_generator)
    resumed.load(tmp_path / "m")
    assert resumed.fit(3) == losses[2:]
    assert resumed.bits() == whole.bits()


def test_training_goes_on_in_the_middle_of_an_epoch(tmp_path):
    class Saving(cr.train.Callback):
        def on_batch_end(self, run):
            if (run.epoch, run.batch) == (2, 3):
                whole.save(tmp_path / "m")

    whole = Training()
    whole.scheduler = None
    history = fit(whole.model, nn.CrossEntropyLoss(), whole.optimizer, whole.loader, 4, callbacks=[Saving()])
    resumed = Training(seed=5)
    resumed.scheduler = None
    resumed.load(tmp_path / "m")
    rest = fit(resumed.model, nn.CrossEntropyLoss(), resumed.optimizer, resumed.loader, 3)
    assert rest["loss"][1:] == history["loss"][2:]
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(array, resumed.model.state_dict()[name])


def test_a_model_alone_leaves_the_generators_alone(tmp_path):
    training = Training()
    save(tmp_path / "m", training.model)
    cr.seed(7)
    other = network()
    before = default_generator().bit_generator.state
    load(tmp_path / "m", other)
    assert default_generator().bit_generator.state == before
    np.testing.assert_array_equal(other.state_dict()["0.weight"], training.model.state_dict()["0.weight"])


def refused(training: Training, path) -> str:
    """Load, expect the refusal, and that nothing at all has changed."""
    before = training.bits()
    with pytest.raises(ModelFileError) as caught:
        training.load(path)
    assert training.bits() == before
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


@pytest.fixture
def saved(tmp_path):
    training = Training()
    training.fit(1)
    training.save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def changed(path, arrays=None, **texts) -> None:
    """Write the file anew with some arrays replaced (None: left out) and some texts."""
    old, meta = read_arrays(path)
    new = {name: array for name, array in {**old, **(arrays or {})}.items() if array is not None}
    write_arrays(path, new, {name: text for name, text in {**meta, **texts}.items() if text is not None})


def trained() -> Training:
    training = Training(seed=3)
    training.fit(1)
    return training


def test_another_shape_is_named(saved):
    other = Training(seed=3, hidden=16)
    assert "model.0.weight: file has [4, 8], the model [4, 16]; build the model as it was" in refused(other, saved)


def test_another_dtype_is_named(saved):
    other = Training(seed=3)
    other.model.double()
    assert "model.0.weight: file has float32, the model float64" in refused(other, saved)


def test_missing_and_unexpected_parameters_are_named(saved):
    other = trained()
    array = read_arrays(saved)[0]["model.0.weight"]
    changed(saved, {"model.0.weight": None, "model.9.weight": array})
    message = refused(other, saved)
    assert "the file has no model.0.weight" in message
    assert "the model has no model.9.weight" in message


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("optimizer", '{"state": [], "param_groups": []}'),
        ("optimizer", "[]"),
        ("optimizer", '{"$array": "nowhere"}'),
        ("optimizer", "{not JSON"),
        ("loader", '{"epoch": 1}'),
        ("scheduler", '{"last_epoch": -1, "base_lrs": [0.1]}'),
        ("random", '{"default": {"bit_generator": "Nonsense"}}'),
        ("random", "{}"),
        ("meta", "{"),
        ("meta", None),
        ("optimizer", None),
        ("chainrule.format", "999"),
        ("chainrule.format", None),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(saved, part, text):
    changed(saved, **{part: text})
    message = refused(trained(), saved)
    assert part.removeprefix("chainrule.") in message


def test_a_loader_of_other_data_changes_nothing(saved):
    other = trained()
    other.loader = DataLoader(points(24), batch_size=8, shuffle=True)
    assert "loader: DataLoader: samples is 24 here and 40 in the state" in refused(other, saved)


def test_an_error_at_the_very_end_is_undone(saved, monkeypatch):
    other = trained()
    before = other.bits()
    real = other.model.load_state_dict
    calls = []

    def failing(state):
        calls.append(state)
        real(state)
        if len(calls) == 1:
            raise MemoryError("at the last moment")

    monkeypatch.setattr(type(other.model), "load_state_dict", lambda self, state: failing(state))
    with pytest.raises(MemoryError, match="at the last moment"):
        other.load(saved)
    monkeypatch.undo()
    assert other.bits() == before


def test_a_broken_file_changes_nothing(saved):
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    assert "SHA-256" in refused(trained(), saved)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileMissing, match="no such file"):
        load(tmp_path / "none", network())


def test_a_file_of_another_program_says_so(tmp_path):
    write_arrays(tmp_path / "m", {"w": np.zeros(2)}, {})
    with pytest.raises(ModelFileError, match=r"was not written by chainrule\.save"):
        load(tmp_path / "m")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (np.zeros(3), r"meta\.key: of type ndarray"),
        ({"a": [1, object()]}, r"meta\.key\.a\[1\]: of type object"),
        ({1: 2}, r"meta\.key: a dict with other keys than text"),
        (1j, r"meta\.key: of type complex"),
    ],
)
def test_meta_that_json_cannot_hold_is_refused_before_anything_is_written(tmp_path, value, place):
    save(tmp_path / "m", network(), old=True)
    with pytest.raises(TypeError, match=place):
        save(tmp_path / "m", network(), key=value)
    assert load(tmp_path / "m").meta == {"old": True}


def test_an_argument_without_a_state_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"loader: a list has no state_dict\(\)"):
        save(tmp_path / "m", network(), loader=[(1, 2)])
    assert not (tmp_path / "m").exists()


def test_the_file_is_plain_safetensors(saved):
    from safetensors.numpy import load_file

    arrays = load_file(saved)
    names = {f"model.{name}" for name in network().state_dict()}
    assert names < set(arrays)
    assert {name.split(".")[0] for name in set(arrays) - names} == {"optimizer"}
    assert json.loads(read_arrays(saved)[1]["meta"]) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
STATES = st.recursive(
    st.none()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | hnp.arrays(st.sampled_from(["f4", "f8", "i8", "?"]), hnp.array_shapes(min_dims=0, max_dims=2, max_side=3)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4) | st.integers() | st.just("$array") | st.just("a.b"), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(left, right) -> bool:
    if isinstance(left, np.ndarray | np.generic):
        return (type(left), left.dtype, left.shape, left.tobytes()) == (
            type(right),
            right.dtype,
            right.shape,
            right.tobytes(),
        )
    if isinstance(left, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


@given(JSON)
def test_plain_json_is_itself(value):
    assert plain(value, "meta") == value


def test_meta_that_looks_like_a_packed_state_stays_what_it_is(tmp_path):
    meta = {"a": {"$array": "model.weight"}, "b": {"$tuple": [1]}}
    save(tmp_path / "m", network(), **meta)
    assert load(tmp_path / "m").meta == meta


@given(STATES)
def test_a_state_comes_back_whole(state):
    text, arrays = pack(state, "state")
    assert same(unpack(text, arrays), state)


@settings(max_examples=20)
@given(state=STATES)
def test_a_state_comes_back_whole_from_a_file(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("state") / "m"
    text, arrays = pack({"state": state, "scalar": np.float32(0.1)}, "state")
    write_arrays(path, arrays, {"text": text})
    arrays, texts = read_arrays(path)
    found = unpack(texts["text"], arrays)
    assert same(found, {"state": state, "scalar": np.float32(0.1)})
