"""`load`: models of other programs compute the same and train further; damaged files are errors, soon."""

import copy
import pickle
import sys
import time
import warnings

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.tensor import value_of
from chainrule.interop.onnx import export, load

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'chainrule[onnx]'")


def graph_of(nodes, inputs, outputs, held=(), opset=23, functions=()):
    """A model with inputs and outputs of float32 by name and shape."""
    helper = onnx.helper
    body = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, 1, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, 1, shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in dict(held).items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(body, opset_imports=imports, ir_version=10, functions=list(functions))


def node(kind, inputs, outputs, **attributes):
    return onnx.helper.make_node(kind, inputs.split(), outputs.split(), name=f"a {kind}", **attributes)


def torch_networks(torch):
    layers = torch.nn

    class Tokens(layers.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.out = layers.Embedding(11, 8), layers.Linear(8, 11)
            self.block = layers.TransformerEncoderLayer(8, 2, 16, batch_first=True)

        def forward(self, x):
            return self.out(self.block(self.embed(x)))

    class Last(layers.Module):
        def __init__(self, recurrent):
            super().__init__()
            self.recurrent, self.out = recurrent, layers.Linear(6, 3)

        def forward(self, x):
            return self.out(self.recurrent(x)[0][:, -1])

    return {
        "mlp": (layers.Sequential(layers.Linear(4, 8), layers.ReLU(), layers.Linear(8, 3)), torch.randn(2, 4)),
        "images": (
            layers.Sequential(
                *(layers.Conv2d(3, 8, 3, padding=1, stride=2), layers.BatchNorm2d(8), layers.SiLU()),
                *(layers.MaxPool2d(2), layers.Conv2d(8, 8, 3, groups=4), layers.GELU()),
                *(layers.AdaptiveAvgPool2d(1), layers.Flatten(), layers.Linear(8, 2)),
            ),
            torch.randn(2, 3, 16, 16),
        ),
        "tokens": (Tokens(), torch.randint(0, 11, (2, 5))),
        "lstm": (Last(layers.LSTM(5, 6, num_layers=2, batch_first=True)), torch.randn(2, 4, 5)),
        "gru": (Last(layers.GRU(5, 6, batch_first=True)), torch.randn(2, 4, 5)),
    }


@pytest.mark.parametrize("dynamo", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["mlp", "images", "tokens", "lstm", pytest.param("gru", marks=pytest.mark.slow)])
def test_a_model_of_pytorch_is_the_same_and_trains_further(torch, tmp_path, name, dynamo):
    if dynamo:
        pytest.importorskip(
            "onnxscript", reason="torch.onnx.export(dynamo=True) needs onnxscript: pip install onnxscript"
        )
    net, x = torch_networks(torch)[name]
    net.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), tmp_path / "net.onnx", dynamo=dynamo, verbose=False)
    model = load(tmp_path / "net.onnx")
    theirs = net(x).detach().numpy()
    np.testing.assert_allclose(model(x.numpy()).numpy(), theirs, rtol=1e-5, atol=1e-5)
    target = np.zeros_like(theirs)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.MSELoss()(model(x.numpy()), target)
        loss.backward()
        optimizer.step()
        losses.append(float(value_of(loss)))
    assert losses[-1] < 0.7 * losses[0]


def small():
    x = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))
    return model, x, load(export(model, None, x, check=False))


def test_parameters_are_parts_of_the_model():
    model, x, again = small()
    assert [n for n, _ in again.named_parameters()] == [n for n, _ in model.named_parameters()]
    assert np.array_equal(getattr(again, "0").weight.numpy(), model[0].weight.numpy())
    again.load_state_dict(model.state_dict())
    for other in (copy.deepcopy(again), pickle.loads(pickle.dumps(again))):
        assert np.array_equal(value_of(other(x)), value_of(again(x)))
    assert "x → y" in repr(again)


def test_it_trains_as_the_model_does():
    model, x, again = small()
    for net in (model.train(), again.train()):
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (net(x) ** 2).mean().backward()
            optimizer.step()
    for (name, ours), theirs in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5, err_msg=name)


def test_it_compiles_is_exported_and_converted():
    _, x, again = small()
    np.testing.assert_allclose(value_of(cr.compile(again)(x)), value_of(again(x)), atol=1e-6)
    np.testing.assert_allclose(value_of(load(export(again, None, x, check=False))(x)), value_of(again(x)), atol=1e-6)
    before = value_of(again(x))
    assert again.double()(x).dtype == np.float64
    np.testing.assert_allclose(value_of(again(x)), before, atol=1e-5)


def test_transforms_see_its_parameters():
    _, x, again = small()
    gradients = cr.grad(lambda m: (m(x) ** 2).sum())(again)
    (again(x) ** 2).sum().backward()
    for name, p in again.named_parameters():
        found = dict(gradients.named_parameters())[name]
        np.testing.assert_allclose(np.asarray(value_of(found)), np.asarray(p.grad), rtol=1e-5, atol=1e-6)


def test_dropout_drops_in_training():
    net = load(graph_of([node("Dropout", "x", "y")], {"x": [1000]}, {"y": [1000]}))
    x = np.ones(1000, np.float32)
    assert np.array_equal(value_of(net(x)), x)
    assert 300 < np.count_nonzero(value_of(net.train()(x))) < 700


def test_which_floats_are_trained():
    held = {"a.b": np.ones(2, np.float32), "scale": np.float32(2), "training": np.ones(2, np.float32), "a": np.ones(2)}
    nodes = [
        *(node("Mul", "x a.b", "p"), node("Mul", "p scale", "q"), node("Add", "q training", "r")),
        *(node("Cast", "a", "s", to=1), node("Add", "r s", "y")),
    ]
    file = graph_of(nodes, {"x": [2]}, {"y": [2]}, held)
    net = load(file)
    assert sorted(n for n, _ in net.named_parameters()) == ["a.b", "a_", "training_"]
    assert value_of(net(np.ones(2))).tolist() == [4, 4]
    assert [n for n, _ in load(file, trainable=lambda name: name == "scale").named_parameters()] == ["scale"]


@walked("hidden", [-np.inf, np.finfo(np.float32).min, -1e4])
def test_a_mask_of_attention_is_not_trained(hidden):
    mask = np.where(np.tri(3, dtype=bool), 0, hidden).astype(np.float32)
    held = {"mask": mask, "w": np.eye(3, dtype=np.float32), "wide": np.array([[1e4, 1, 0]], np.float32)}
    nodes = [
        *(node("MatMul", "x w", "s"), node("Add", "s mask", "masked"), node("Softmax", "masked", "p")),
        node("Mul", "p wide", "y"),
    ]
    file = graph_of(nodes, {"x": [3, 3]}, {"y": [3, 3]}, held)
    net = load(file)
    assert [n for n, _ in net.named_parameters()] == ["w", "wide"]
    assert "mask" in dict(load(file, trainable=lambda name: name == "mask").named_parameters())
    x = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    assert value_of(net(x))[0, 1:].tolist() == [0, 0]
    derivation = cr.explain(lambda net: (net(x) ** 2).sum(), net)
    assert derivation.ok, [one for one in derivation.confirmations if not one.ok]


def test_functions_that_would_become_too_large_are_refused():
    helper = onnx.helper
    opset = [helper.make_opsetid("", 23), helper.make_opsetid("mine", 1)]

    def twice(k):
        inner = {"op_type": f"f{k - 1}", "domain": "mine"} if k else {"op_type": "Neg"}
        inner |= {} if k else {"domain": ""}
        nodes = [
            helper.make_node(inputs=["a"], outputs=["b"], **inner),
            helper.make_node(inputs=["b"], outputs=["c"], **inner),
        ]
        return helper.make_function("mine", f"f{k}", ["a"], ["c"], nodes, opset)

    for depth, message in ((30, "inlined, would become 2,147,483,648 nodes"), (200, "nest deeper than 100 levels")):
        call = helper.make_node(f"f{depth}", ["x"], ["y"], domain="mine")
        with pytest.raises(ValueError, match=message):
            load(graph_of([call], {"x": [2]}, {"y": [2]}, functions=[twice(k) for k in range(depth + 1)]))


def test_functions_of_a_file_are_inlined():
    twice = onnx.helper.make_function(
        "own", "Twice", ["a"], ["b"], [node("Add", "a a", "b")], [onnx.helper.make_opsetid("", 23)]
    )
    call = onnx.helper.make_node("Twice", ["x"], ["y"], domain="own")
    assert value_of(load(graph_of([call], {"x": [2]}, {"y": [2]}, functions=[twice]))([1.0, 2.0])).tolist() == [2, 4]


def test_inputs_are_checked():
    net = load(graph_of([node("Add", "a b", "y")], {"a": ["n", 2], "b": ["n", 2]}, {"y": ["n", 2]}))
    one, two = np.ones((1, 2)), np.ones((2, 2))
    assert net(two, b=two).dtype == np.float32
    for call, kind, message in (
        (lambda: net(two), TypeError, "expected the inputs a, b, got 1 in order"),
        (lambda: net(two, one), ValueError, r"input b: expected shape \[n, 2\], got \[1, 2\]"),
        (lambda: net(two, np.ones(2)), ValueError, r"got \[2\]"),
        (lambda: net(two, np.array([["a", "b"]] * 2)), TypeError, "input b: expected float32"),
    ):
        with pytest.raises(kind, match=message):
            call()


def bad(nodes, held=(), opset=23, outputs=None):
    return graph_of(nodes, {"x": [2, 3]}, outputs or {"y": [2, 3]}, held, opset)


def damaged_initializer():
    file = bad([node("Add", "x w", "y")], {"w": np.ones((2, 3), np.float32)})
    file.graph.initializer[0].dims[0] = 10**12
    return file


WRONG = {
    r"there is no operation for Det \(node 'a Det'\), own\.Mine \(node 'the last'\)": lambda: bad(
        [node("Det", "x", "z"), onnx.helper.make_node("Mine", ["z"], ["y"], "the last", domain="own")]
    ),
    "Hardmax": lambda: bad([node("Hardmax", "x", "y")]),
    r"LSTM \(a LSTM\): attribute clip": lambda: bad([node("LSTM", "x x x", "y", clip=1.0, hidden_size=3)]),
    "opset 6, expected 7": lambda: bad([node("Relu", "x", "y")], opset=6),
    "breaks the ONNX specification": lambda: bad([node("Relu", "x z", "y")]),
    "break|made by no node before": lambda: bad([node("Relu", "later", "y"), node("Relu", "x", "later")]),
    "specification|made by no node": lambda: bad([node("Relu", "x", "z")]),
    "data do not fit its shape|specification": damaged_initializer,
    "no dtype in NumPy": lambda: bad(
        [node("Cast", "w", "y", to=1)], {"w": onnx.numpy_helper.to_array(onnx.helper.make_tensor("w", 8, [1], ["a"]))}
    ),
    "cannot be read": lambda: b"no model" * 10,
    "an empty graph": lambda: b"",
}


@walked("message", WRONG)
def test_what_cannot_be_loaded_is_named(message):
    with pytest.raises(ValueError, match=message):
        load(WRONG[message]())


def test_other_sources_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.onnx"):
        load(tmp_path / "none.onnx")
    with pytest.raises(TypeError, match="expected a path, bytes or a ModelProto of onnx, got int"):
        load(3)


RUNNING = {
    "at most 2147483648 elements": ("Expand", [10**6, 10**6, 1, 1], {}),
    r"cannot lay out \[2, 3\] as \[4, 4\]": ("Reshape", [4, 4], {}),
    "axis 7 of an array with 3 axes": ("Unsqueeze", [7], {}),
    "indices from 9 to 9, expected -2 to 1": ("Gather", [9], {}),
}


@walked("message", RUNNING)
def test_a_node_that_cannot_be_carried_out_is_named(message):
    kind, numbers, attributes = RUNNING[message]
    file = bad([node(kind, "x w", "y", **attributes)], {"w": np.array(numbers, np.int64)})
    with pytest.raises(ValueError, match=rf"{kind} \(a {kind}\).*{message}"):
        load(file)(np.zeros((2, 3)))


def test_damaged_bytes_are_an_error_soon():
    data = export(small()[0], None, np.ones((2, 4), np.float32), check=False).SerializeToString()
    rng = np.random.default_rng(0)
    begun, said = time.perf_counter(), []
    for k in range(300):
        part = bytearray(data)
        at = int(rng.integers(0, len(data)))
        if k % 3 == 0:
            del part[at:]
        elif k % 3 == 1:
            part[at] = int(rng.integers(0, 256))
        else:
            del part[at : at + int(rng.integers(1, 20))]
        try:
            net = load(bytes(part))
            with np.errstate(all="ignore"):
                net(np.ones((2, 4)))
        except (ValueError, TypeError) as error:
            said.append(str(error))
    assert len(said) > 100
    assert [text for text in said if not text.startswith(("load: ", "OnnxModule: "))] == []
    assert time.perf_counter() - begun < 20


def test_without_onnx_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"load needs onnx, .*chainrule\[onnx\]"):
        load("model.onnx")
