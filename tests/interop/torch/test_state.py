"""State dicts both ways: names, layouts, shared parameters, and what is refused before anything is written."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.interop.torch import load_state_dict, state_dict


class Net(nn.Module):
    """A module of one's own: the names of its attributes are those of the same network in PyTorch."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.blocks = nn.ModuleList([nn.TransformerBlock(4, 2, hidden=6)])
        self.rnn = nn.GRU(4, 3, bidirectional=True)
        self.conv = nn.Conv1d(3, 2, 3, bias=False)
        self.norm = nn.BatchNorm1d(2)
        self.head = nn.Linear(2, 5)
        self.scale = nn.Parameter(np.arange(6, dtype=np.float32).reshape(2, 3))
        self.register_buffer("seen", np.arange(3))
        self.register_buffer("scratch", np.zeros(3), persistent=False)


@pytest.fixture
def theirs(torch):
    class TorchNet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(7, 4)
            self.blocks = torch.nn.ModuleList([torch.nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)])
            self.rnn = torch.nn.GRU(4, 3, bidirectional=True)
            self.conv = torch.nn.Conv1d(3, 2, 3, bias=False)
            self.norm = torch.nn.BatchNorm1d(2)
            self.head = torch.nn.Linear(2, 5)
            self.scale = torch.nn.Parameter(torch.zeros(2, 3))
            self.register_buffer("seen", torch.zeros(3, dtype=torch.int64))

    return TorchNet()


def test_the_names_shapes_and_dtypes_are_those_of_torch(torch, theirs):
    ours = state_dict(Net())
    expected = theirs.state_dict()
    assert {n: (t.shape, t.dtype) for n, t in ours.items()} == {n: (t.shape, t.dtype) for n, t in expected.items()}
    assert str(theirs.load_state_dict(ours)) == "<All keys matched successfully>"
    np.testing.assert_array_equal(theirs.scale.detach().numpy(), np.arange(6).reshape(2, 3))


def test_there_and_back_is_the_same(torch, theirs):
    model = Net()
    assert load_state_dict(model, theirs.state_dict()) == ([], [])
    again = state_dict(model)
    assert all(torch.equal(again[name], t) for name, t in theirs.state_dict().items())


def test_a_row_of_torch_is_a_column_here(torch):
    model = nn.Linear(3, 2)
    load_state_dict(model, {"weight": torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), "bias": torch.zeros(2)})
    np.testing.assert_array_equal(model.weight.numpy(), [[1, 4], [2, 5], [3, 6]])


def test_the_projections_of_attention_are_stacked(torch):
    model = nn.MultiheadAttention(2, 1)
    weight = torch.arange(12.0).reshape(6, 2)
    load_state_dict(model, {**state_dict(model), "in_proj_weight": weight})
    np.testing.assert_array_equal(model.key.weight.numpy(), weight[2:4].T)


def test_the_tensors_are_copies(torch):
    model = nn.Linear(2, 2)
    state_dict(model)["weight"].zero_()
    assert model.weight.numpy().any()
    state = state_dict(model)
    load_state_dict(model, state)
    state["weight"].zero_()
    assert model.weight.numpy().any()


@walked("dtype", ["bfloat16", "float16", "float64"])
def test_values_are_rounded_to_the_dtype_of_the_parameter(torch, dtype):
    state = torch.nn.Linear(3, 2).to(getattr(torch, dtype)).requires_grad_(False).state_dict()
    model = nn.Linear(3, 2)
    load_state_dict(model, state)
    assert model.weight.dtype == np.float32
    np.testing.assert_array_equal(model.weight.numpy(), state["weight"].float().numpy().T)


def test_a_tape_notices_that_its_values_were_replaced(torch):
    model = nn.Linear(2, 2)
    loss = (model.weight * model.weight).sum()
    load_state_dict(model, state_dict(nn.Linear(2, 2)))
    with pytest.raises(cr.InPlaceError):
        loss.backward()


def test_shared_parameters_have_all_their_names(torch):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    state = state_dict(model)
    assert set(state) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    load_state_dict(model, state)
    before = model[0].weight.numpy().copy()
    with pytest.raises(ValueError, match=r"0\.weight and 1\.weight are one parameter, but got two values"):
        load_state_dict(model, {**state, "1.weight": state["0.weight"] + 1})
    np.testing.assert_array_equal(model[0].weight.numpy(), before)


def test_what_only_one_side_has(torch):
    model = nn.Linear(2, 2)
    state = {"weight": torch.ones(2, 2), "extra": torch.ones(1)}
    with pytest.raises(ValueError, match="missing bias; unexpected extra; pass strict=False to load the rest"):
        load_state_dict(model, state)
    assert load_state_dict(model, state, strict=False) == (["bias"], ["extra"])
    np.testing.assert_array_equal(model.weight.numpy(), np.ones((2, 2)))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod."])
def test_the_names_of_a_wrapper_are_explained(torch, prefix):
    state = {f"{prefix}{name}": t for name, t in state_dict(nn.Linear(2, 2)).items()}
    with pytest.raises(ValueError, match=f"the names begin with '{prefix}', which a wrapper adds"):
        load_state_dict(nn.Linear(2, 2), state)


def test_a_state_without_the_count_of_batches(torch):
    model = nn.BatchNorm1d(3)
    state = state_dict(model)
    assert state.pop("num_batches_tracked").dtype is torch.int64
    assert load_state_dict(model, state) == ([], [])


@walked(
    ("value", "error", "message"),
    [
        (lambda t: t.ones(3, 2), ValueError, r"weight: expected shape \[2, 3\], got \[3, 2\]"),
        (lambda t: np.ones((2, 3)), TypeError, "weight: expected a tensor, got ndarray"),
        (lambda t: {"weight": t.ones(2, 3)}, TypeError, "weight: expected a tensor, got dict; pass its 'weight'"),
        (lambda t: t.ones(2, 3, dtype=t.int64), TypeError, "weight: expected dtype float32, got int64"),
        (lambda t: t.ones(2, 3).to_sparse(), TypeError, r"weight: got a tensor with the layout torch\.sparse_coo"),
    ],
)
def test_a_wrong_value_is_refused(torch, value, error, message):
    model = nn.Linear(3, 2)
    before = model.bias.numpy().copy()
    with pytest.raises(error, match=message):
        load_state_dict(model, {"weight": value(torch), "bias": torch.ones(2)})
    np.testing.assert_array_equal(model.bias.numpy(), before)


def test_what_is_no_model_and_no_state(torch):
    with pytest.raises(TypeError, match=r"state_dict: expected a module of chainrule.nn, got Linear"):
        state_dict(torch.nn.Linear(2, 2))
    with pytest.raises(TypeError, match="expected a dict of tensors, got list"):
        load_state_dict(nn.Linear(2, 2), [1])
