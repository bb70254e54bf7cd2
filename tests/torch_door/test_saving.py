"""Whole modules in files: nothing is pickled, and nothing is imported unless it is allowed."""

import dataclasses
import enum
import io

import pytest

import chainrule.torch as door
from chainrule.torch import nn


class Kind(enum.Enum):
    SMALL = 1


@dataclasses.dataclass
class Config:
    width: int = 4
    kind: Kind = Kind.SMALL


class Tied(nn.Module):
    """A model with a config object, a function, shared weights, a buffer and nested modules."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.table = nn.Embedding(5, config.width)
        self.head = nn.Linear(config.width, 5, bias=False)
        self.head.weight = self.table.weight
        self.layer = nn.TransformerEncoderLayer(config.width, 2, 8, 0.0, activation="gelu", batch_first=True)
        self.norm = nn.BatchNorm1d(3)
        self.act = nn.functional.gelu
        self.register_buffer("scale", door.tensor(2.0), persistent=False)
        self.shapes = {"input": door.Size([1, 3]), "kinds": [door.float32, door.device("cpu"), ("a", 1.5)]}

    def forward(self, x):
        return self.head(self.norm(self.act(self.layer(self.table(x))))) * self.scale


def written(x: object) -> io.BytesIO:
    file = io.BytesIO()
    door.save(x, file)
    file.seek(0)
    return file


def test_a_whole_module_comes_back() -> None:
    model = Tied(Config()).eval()
    found = door.load(written({"model": model, "epoch": 3}), weights_only=False)
    assert found["epoch"] == 3
    made = found["model"]
    x = door.tensor([[0, 3, 1]])
    assert door.equal(made(x), model(x))
    assert str(made) == str(model)
    assert made.head.weight is made.table.weight
    assert made.config == model.config
    assert made.shapes == model.shapes
    assert made.act is nn.functional.gelu
    assert not made.training
    assert list(made.state_dict()) == list(model.state_dict())
    made.train()(x).sum().backward()
    assert made.table.weight.grad is not None


def test_classes_are_imported_only_if_they_are_allowed() -> None:
    file = written(nn.Linear(2, 1))
    with pytest.raises(ValueError, match=r"Linear.*weights_only"):
        door.load(file)
    with door.serialization.safe_globals([nn.Linear]):
        file.seek(0)
        assert isinstance(door.load(file), nn.Linear)
        assert door.serialization.get_safe_globals() == [nn.Linear]
    assert door.serialization.get_safe_globals() == []
    broken = io.BytesIO(written(Tied(Config())).getvalue().replace(b"test_saving:Tied", b"test_saving:None"))
    with pytest.raises(ValueError, match="cannot be imported here"):
        door.load(broken, weights_only=False)


def test_what_cannot_be_written_says_so() -> None:
    model = nn.Linear(2, 1)
    model.act = lambda x: x
    with pytest.raises(TypeError, match=r"act .*cannot be imported by that name"):
        door.save(model, io.BytesIO())
    hooked = nn.Linear(2, 1)
    hooked.register_forward_hook(lambda *_: None)
    with pytest.raises(TypeError, match="hooks"):
        door.save(hooked, io.BytesIO())
    with pytest.raises(TypeError, match="generator"):
        door.save({"g": (k for k in range(3))}, io.BytesIO())


def test_leaves_and_shared_tensors() -> None:
    w = door.ones(2, requires_grad=True)
    found = door.load(written({"w": w, "same": w, "y": w * 2}))
    assert found["w"] is found["same"]
    assert found["w"].requires_grad
    assert not found["y"].requires_grad


def test_hooks_of_state_dicts_are_called_as_pytorch_does(torch) -> None:
    def told(library):
        seen = []
        net = library.nn.Sequential(library.nn.Linear(2, 2), library.nn.Tanh())
        net.register_state_dict_pre_hook(
            lambda module, prefix, keep: seen.append((type(module).__name__, prefix, keep))
        )
        net[0].register_state_dict_post_hook(
            lambda m, found, prefix, meta: found.update({f"{prefix}more": library.ones(1)})
        )

        def rename(module, state, prefix, metadata, strict, missing, unexpected, errors):
            seen.append((type(module).__name__, prefix, strict, sorted(state)))
            state.pop(f"{prefix}more", None)
            if f"{prefix}old" in state:
                state[f"{prefix}bias"] = state.pop(f"{prefix}old")

        net[0].register_load_state_dict_pre_hook(rename)
        net.register_load_state_dict_post_hook(lambda module, keys: seen.append((sorted(keys[0]), sorted(keys[1]))))
        net[0].register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
        state = net.state_dict()
        seen.append(sorted(state))
        state["0.old"] = state.pop("0.bias") + 1
        del state["0.weight"]
        seen.append(str(net.load_state_dict(state)))
        seen.append((net[0].bias - state["0.old"]).abs().sum().item())
        with pytest.raises(RuntimeError, match="Unexpected key"):
            net.load_state_dict({**net.state_dict(), "other": library.ones(1)})
        return seen

    assert told(door) == told(torch)
