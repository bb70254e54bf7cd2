"""What a module registers, says, saves, and is to the transforms."""

import copy
import pickle

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.core import tree


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4, generator=np.random.default_rng(0))
        self.second = nn.Linear(4, 3, generator=np.random.default_rng(1))
        self.scale = nn.Parameter(np.float32(2.0))
        self.register_buffer("count", np.zeros(2))
        self.register_buffer("scratch", np.zeros(1, np.float32), persistent=False)

    def forward(self, x):
        return self.scale * self.second(np.tanh(self.first(x)))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.b = nn.Linear(3, 3)
        self.b.weight = self.a.weight
        self.c = self.a

    def forward(self, x):
        return self.c(self.b(self.a(x)))


NAMES = ["scale", "first.weight", "first.bias", "second.weight", "second.bias"]
X = np.linspace(-1, 1, 6).reshape(2, 3)


def test_it_lists_its_parameters_buffers_and_modules():
    block = Block()
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert [name for name, _ in block.named_parameters("net")] == [f"net.{name}" for name in NAMES]
    assert [p.name for p in block.parameters()] == NAMES
    assert [name for name, _ in block.named_modules()] == ["", "first", "second"]
    assert list(block.children()) == [block.first, block.second]
    assert [name for name, _ in block.named_children()] == ["first", "second"]
    assert [name for name, _ in block.named_buffers()] == ["count", "scratch"]
    assert len(list(block.buffers())) == 2
    assert {"first", "scale", "count"} <= set(dir(block))


def test_names_of_parameters_are_paths_from_the_top():
    own = nn.Parameter(np.ones(2), name="my own")
    model = nn.Sequential(Block(), nn.Sequential(nn.Linear(3, 2)))
    model[1][0].bias = own
    assert [p.name for p in model.parameters()] == [*(f"0.{name}" for name in NAMES), "1.0.weight", "my own"]


def test_a_shared_parameter_appears_once():
    tied = Tied()
    assert [name for name, _ in tied.named_parameters()] == ["a.weight", "a.bias", "b.bias"]
    assert [name for name, _ in tied.named_modules()] == ["", "a", "b"]
    assert list(tied.state_dict()) == ["a.weight", "a.bias", "b.bias"]
    copied = copy.deepcopy(tied)
    assert copied.b.weight is copied.a.weight is not tied.a.weight
    assert copied.c is copied.a


def test_attributes_can_be_replaced_and_deleted():
    block = Block()
    new = nn.Linear(3, 4)
    block.first = new
    assert next(block.children()) is new  # in its old place
    block.first = None
    assert block.first is None
    assert "first.weight" not in block.state_dict()
    del block.scale
    assert [name for name, _ in block.named_parameters()] == ["second.weight", "second.bias"]
    with pytest.raises(AttributeError, match="no attribute 'scale'"):
        _ = block.scale
    with pytest.raises(AttributeError):
        del block.scale
    block.scale = 3.0
    block.scale = nn.Parameter(np.ones(1))
    assert "scale" not in vars(block)


def assign(name, value):
    return lambda: setattr(Block(), name, value)


class NoInit(nn.Module):
    def __init__(self):
        self.weight = nn.Parameter(np.ones(2))


class NoInitNoWeights(nn.Module):
    def __init__(self):
        pass


WRONG = {
    r"NoInit: cannot assign 'weight' yet; call super\(\).__init__\(\)": (AttributeError, NoInit),
    r"no attribute '_parameters'; call super\(\).__init__\(\)": (
        AttributeError,
        lambda: list(NoInitNoWeights().parameters()),
    ),
    r"Block.scale: got ndarray, expected a Parameter or None; .*\.data = array": (
        TypeError,
        assign("scale", np.ones(2)),
    ),
    "Block.first: got function, expected a Module": (TypeError, assign("first", lambda x: x)),
    "a list hides modules": (TypeError, assign("layers", [nn.ReLU()])),
    "a dict hides modules": (TypeError, assign("layers", {"a": nn.Parameter(np.ones(1))})),
    "Module: has no forward": (TypeError, lambda: nn.Module()(1)),
    "attribute 'first' already exists": (ValueError, lambda: Block().register_buffer("first", np.ones(1))),
    "train: expected True or False": (TypeError, lambda: Block().train(Block())),
    "Block.to: got dtype int64": (TypeError, lambda: Block().to(np.int64)),
    "Parameter: got dtype int64": (TypeError, lambda: nn.Parameter([1, 2])),
    "Parameter: got dtype bool": (TypeError, lambda: nn.Parameter(np.ones(2, bool))),
    "Parameter: got dtype complex128, expected real": (TypeError, lambda: nn.Parameter(np.ones(2, complex))),
}


@walked(("message", "wrong"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong(message, wrong):
    error, call = wrong
    with pytest.raises(error, match=message):
        call()


def test_parameters_keep_their_floating_dtype_and_a_copy():
    data = np.ones(3, np.float32)
    p = nn.Parameter(data)
    data[0] = 5.0
    assert p.dtype == np.float32
    assert p.numpy()[0] == 1.0
    assert nn.Parameter([1.0, 2.0]).dtype == np.float64
    assert nn.Parameter([1, 2], dtype=np.float32).dtype == np.float32
    p.data = [1, 2, 3]
    assert p.numpy().tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="expected shape"):
        p.data = np.ones(4)


def test_freezing_and_conversion():
    block = Block()
    (block(X) ** 2).sum().backward()
    assert all(p.grad is not None and p.grad.dtype == np.float32 for p in block.parameters())
    block.double()
    assert {p.dtype for p in block.parameters()} == {np.dtype(np.float64)}
    assert {p.grad.dtype for p in block.parameters()} == {np.dtype(np.float64)}
    assert block.scratch.dtype == np.float64
    assert [p.name for p in block.parameters()] == NAMES
    block.zero_grad(set_to_none=False)
    assert all((p.grad.numpy() == 0).all() for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())
    assert not block.requires_grad_(False)(X).requires_grad
    assert block.requires_grad_()(X).requires_grad
    assert block.float()(X).dtype == np.float32
    assert block.to("float64")(X).dtype == np.float64


def test_training_mode_and_apply_reach_every_module():
    model = nn.Sequential(Block(), nn.Dropout())
    assert not any(m.training for m in model.eval().modules())
    assert all(m.training for m in model.train().modules())
    seen = []
    assert model.apply(seen.append) is model
    assert seen[-1] is model
    assert len(seen) == 5


def test_a_state_is_plain_copies_and_loads_in_place():
    source, target = Block(), Block()
    for p in source.parameters():
        p.data = np.random.default_rng(5).standard_normal(p.shape)
    source.count[:] = 7
    state = source.state_dict()
    assert list(state) == [*NAMES, "count"]
    assert all(type(array) is np.ndarray for array in state.values())
    buffers = [p._value for p in target.parameters()]
    assert target.load_state_dict(state) == ([], [])
    assert all(p._value is buffer for p, buffer in zip(target.parameters(), buffers, strict=True))
    np.testing.assert_array_equal(target(X).numpy(), source(X).numpy())
    np.testing.assert_array_equal(target.count, 7)
    state["scale"][...] = 99
    assert target.scale.item() != 99
    target.load_state_dict({name: array.astype(np.float64) for name, array in state.items()})
    assert target.scale.dtype == np.float32


BROKEN = {
    "missing scale": lambda s: s.pop("scale"),
    "unexpected more": lambda s: s.update(more=np.ones(1)),
    r"second.bias: expected shape \[3\], got \[4\]": lambda s: s.update({"second.bias": np.ones(4)}),
    "second.bias: expected dtype float32, got int64": lambda s: s.update({"second.bias": np.ones(3, int)}),
    "second.bias: has values too large for float32": lambda s: s.update({"second.bias": np.full(3, 1e300)}),
}


@walked(("message", "change"), BROKEN.items(), ids=BROKEN)
def test_a_broken_state_changes_nothing(message, change):
    block = Block()
    before = block.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    change(state)
    with pytest.raises((TypeError, ValueError), match=message):
        block.load_state_dict(state)
    after = block.state_dict()
    assert all(np.array_equal(after[name], before[name]) for name in before)


def test_without_strict_the_rest_is_loaded():
    block = Block()
    assert block.load_state_dict({"scale": np.float32(5), "other": 1}, strict=False).unexpected == ["other"]
    assert block.scale.item() == 5
    with pytest.raises(TypeError, match="expected a dict"):
        block.load_state_dict([1])


def test_loading_is_seen_by_tapes_that_need_the_old_values():
    block = Block()
    loss = (block(X) ** 2).sum()
    block.load_state_dict(block.state_dict())
    with pytest.raises(cr.InPlaceError, match=r"first\.weight|second\.weight|scale"):
        loss.backward()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent_and_train(duplicate):
    model = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.2, np.random.default_rng(0)), nn.LayerNorm(5))
    model[0].bias.requires_grad_(False)
    other = duplicate(model)
    assert [p.requires_grad for p in other.parameters()] == [p.requires_grad for p in model.parameters()]
    assert [p.name for p in other.parameters()] == [p.name for p in model.parameters()]
    before = model.state_dict()
    optimizer = optim.SGD(other.parameters(), lr=0.5)
    (other(X) ** 3).sum().backward()
    optimizer.step()
    assert not np.array_equal(other[0].weight.numpy(), before["0.weight"])
    assert all(np.array_equal(model.state_dict()[name], before[name]) for name in before)


def test_the_gradient_of_a_function_of_a_module_is_a_module():
    block = Block()
    loss = (block(X) ** 2).sum()
    loss.backward()
    gradient = cr.grad(lambda m: (m(X) ** 2).sum())(block)
    assert isinstance(gradient, Block)
    assert [name for name, _ in gradient.named_parameters()] == NAMES
    for p, g in zip(block.parameters(), gradient.parameters(), strict=True):
        np.testing.assert_allclose(g.numpy(), p.grad.numpy(), rtol=1e-5)
    assert gradient.state_dict().keys() == block.state_dict().keys()


def test_shared_parameters_get_their_whole_gradient():
    tied = Tied().double()
    (tied(X) ** 2).sum().backward()
    gradient = cr.grad(lambda m: (m(X) ** 2).sum())(tied)
    assert gradient.b.weight is gradient.a.weight
    assert gradient.c is gradient.a
    np.testing.assert_allclose(gradient.a.weight.numpy(), tied.a.weight.grad.numpy(), rtol=1e-12)


def test_modules_in_other_transforms():
    block = Block().double()
    gradient = cr.grad(lambda m: (m(X) ** 2).sum())(block)
    _, directional = cr.jvp(lambda m: (m(X) ** 2).sum(), (block,), (gradient,))
    squares = sum(float((g.numpy() ** 2).sum()) for g in gradient.parameters())
    assert directional.item() == pytest.approx(squares, rel=1e-10)
    doubled = tree.map_leaves(lambda p, g: p + 0 * g, block, gradient)
    np.testing.assert_array_equal(doubled(X).numpy(), block(X).numpy())
    _, structure = tree.flatten(block)
    assert structure == tree.flatten(Block())[1]
    assert structure != tree.flatten(Tied())[1]
    assert hash(structure) == hash(tree.flatten(Block())[1])
    assert "Block" in repr(structure)


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(np.ones(1))
        self.register_buffer("calls", np.zeros(1))

    def forward(self, x):
        self.calls = self.calls + 1
        return self.w * x


def test_buffers_changed_inside_a_transform_stay_changed():
    model = Counts()
    cr.grad(lambda m: m(2.0).sum())(model)
    model(1.0)
    assert model.calls.tolist() == [2.0]
    model.calls = cr.tensor([5.0])
    assert type(model.calls) is np.ndarray
    model.calls = np.ones(3)  # another shape is another array
    assert model.calls.shape == (3,)
    del model.calls
    assert list(model.buffers()) == []


def test_it_reads_as_a_tree():
    block = Block()
    block.inner = nn.Sequential(nn.ReLU(), nn.Residual(nn.Dropout(0.5)))
    assert repr(block) == (
        "Block(\n"
        "  (first): Linear(in_features=3, out_features=4, bias=True)\n"
        "  (second): Linear(in_features=4, out_features=3, bias=True)\n"
        "  (inner): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Residual(\n"
        "      (inner): Dropout(p=0.5)\n"
        "    )\n"
        "  )\n"
        ")"
    )
    block.itself = block
    assert "..." in repr(block)
    assert len(list(block.modules())) == 7


def test_pytorchs_devices_say_what_to_write() -> None:
    layer = cr.nn.Linear(2, 3)
    with pytest.raises(TypeError, match=r"got the device 'cuda:0'.*leave .to\('cuda:0'\) out"):
        layer.to("cuda:0")
    with pytest.raises(AttributeError, match=r"leave .cuda\(\) out"):
        layer.cuda()
