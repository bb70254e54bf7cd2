"""`export`: the file computes what the model does, at every length of a dynamic axis, and says what it cannot."""

import sys

import numpy as np
import pytest
from tests.named import walked

from chainrule import nn
from chainrule.core.errors import CaptureError
from chainrule.core.operation import REGISTRY
from chainrule.core.tensor import value_of
from chainrule.core.tree import flatten
from chainrule.interop.onnx import export, load
from chainrule.interop.onnx.graph import WRITERS

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'chainrule[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'chainrule[onnx]'")

SEQUENCE = (3, 5, 8)
LAYERS = {
    "Linear": (lambda: nn.Linear(8, 3), SEQUENCE),
    "Linear, rows": (lambda: nn.Linear(8, 3), (3, 8)),
    "Linear without bias": (lambda: nn.Linear(8, 3, bias=False), SEQUENCE),
    "Embedding": (lambda: nn.Embedding(7, 4), np.array([[1, 1, 6], [0, 2, 1]])),
    "Flatten": (lambda: nn.Flatten(), (2, 3, 4)),
    "Flatten axes": (lambda: nn.Flatten(0, 1), (2, 3, 4)),
    "Dropout": (lambda: nn.Dropout(0.5), SEQUENCE),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (2, 4, 11)),
    "Conv2d": (lambda: nn.Conv2d(4, 6, (3, 5), padding="same", bias=False), (2, 4, 6, 5)),
    "LayerNorm": (lambda: nn.LayerNorm((5, 8), eps=1e-3), SEQUENCE),
    "LayerNorm without parameters": (lambda: nn.LayerNorm(8, elementwise_affine=False), SEQUENCE),
    "RMSNorm": (lambda: nn.RMSNorm(8, eps=1e-3), SEQUENCE),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4, momentum=0.3), (6, 4)),
    "BatchNorm1d without parameters": (lambda: nn.BatchNorm1d(4, affine=False), (6, 4, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3, eps=1e-3), (4, 3, 2, 5)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (3, 4, 5)),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2), SEQUENCE),
    "MultiheadAttention alone": (lambda: nn.MultiheadAttention(8, 4, bias=False), (5, 8)),
    "MultiheadAttention in groups": (lambda: nn.MultiheadAttention(8, 4, num_kv_heads=2), SEQUENCE),
    "TransformerBlock": (lambda: nn.TransformerBlock(8, 2, hidden=6, dropout=0.1), SEQUENCE),
    "TransformerBlock, post": (lambda: nn.TransformerBlock(8, 2, norm_first=False), SEQUENCE),
    "RNN": (lambda: nn.RNN(8, 3, nonlinearity="relu"), SEQUENCE),
    "RNN both ways": (lambda: nn.RNN(8, 3, bidirectional=True, batch_first=True), SEQUENCE),
    "LSTM": (lambda: nn.LSTM(8, 3, num_layers=2, bidirectional=True), SEQUENCE),
    "LSTM alone": (lambda: nn.LSTM(8, 3), (5, 8)),
    "GRU": (lambda: nn.GRU(8, 3, batch_first=True, bias=False), SEQUENCE),
    "GRU levels": (lambda: nn.GRU(8, 3, num_layers=2), SEQUENCE),
    "ReLU": (lambda: nn.ReLU(), SEQUENCE),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), SEQUENCE),
    "GELU": (lambda: nn.GELU(), SEQUENCE),
    "GELU, tanh": (lambda: nn.GELU(approximate="tanh"), SEQUENCE),
    "SiLU": (lambda: nn.SiLU(), SEQUENCE),
    "Tanh": (lambda: nn.Tanh(), SEQUENCE),
    "Sigmoid": (lambda: nn.Sigmoid(), SEQUENCE),
    "Softplus": (lambda: nn.Softplus(beta=2.0), SEQUENCE),
    "ELU": (lambda: nn.ELU(0.7), SEQUENCE),
    "Softmax": (lambda: nn.Softmax(), SEQUENCE),
    "Softmax axis": (lambda: nn.Softmax(dim=1), SEQUENCE),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, stride=2, padding=1), (2, 3, 9)),
    "MaxPool2d": (lambda: nn.MaxPool2d((2, 3), ceil_mode=True), (2, 3, 5, 7)),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, padding=1, count_include_pad=False), (2, 3, 9)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2, stride=(2, 1), divisor_override=3), (2, 3, 5, 7)),
    "Residual": (lambda: nn.Residual(nn.Sequential(nn.Linear(8, 8), nn.Tanh())), SEQUENCE),
    "images": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 2)
        ),
        (3, 1, 6, 6),
    ),
}


def made(name):
    """A layer with all its numbers drawn, and an input."""
    make, given = LAYERS[name]
    rng = np.random.default_rng(0)
    model = make()
    for p in model.parameters():
        p.data = rng.normal(0.3, 0.5, p.shape).astype(np.float32)
    for buffer in model.buffers():
        buffer[...] = rng.uniform(0.5, 2, buffer.shape)
    return model, given if isinstance(given, np.ndarray) else rng.normal(size=given).astype(np.float32)


def arrays(tree):
    return [np.asarray(value_of(leaf)) for leaf in flatten(tree)[0]]


def run(file, *inputs):
    session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {one.name: x for one, x in zip(session.get_inputs(), inputs, strict=True)})


@walked("opset", [20, 23])
@walked("name", LAYERS)
def test_a_layer_is_the_same_in_onnxruntime_and_when_it_is_read_again(name, opset):
    model, x = made(name)
    assert model.training
    file = export(model, None, x, opset=opset)  # compares with onnxruntime at two lengths
    assert model.training
    model.eval()
    longer = np.concatenate([x, x, x])
    again = load(file)
    for ours, theirs in zip(arrays(model(longer)), run(file, longer), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(arrays(model(x)), arrays(again(x)), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)
    assert {n: p.shape for n, p in again.named_parameters()} == {n: p.shape for n, p in model.named_parameters()}
    assert sorted(n for n, _ in again.named_buffers()) == sorted(n for n, _ in model.named_buffers())


@walked("name", ["Linear", "images", "TransformerBlock", "LSTM", "GroupNorm"])
def test_gradients_are_those_of_the_model_it_was_written_from(name):
    model, x = made(name)
    again = load(export(model, None, x))
    for net in (model.eval(), again):
        first = flatten(net(x))[0][0]
        (first * first).sum().backward()
    theirs = dict(again.named_parameters())
    for path, p in model.named_parameters():
        scale = max(1.0, float(np.abs(np.asarray(p.grad)).max()))
        np.testing.assert_allclose(np.asarray(theirs[path].grad), np.asarray(p.grad), atol=2e-5 * scale)


def test_gradients_of_before_are_left_alone():
    model, x = made("Linear, rows")
    model(x).sum().backward()
    before = [(p.grad, np.array(p.grad)) for p in model.parameters()]
    export(model, None, x)
    for p, (grad, values) in zip(model.parameters(), before, strict=True):
        assert p.grad is grad
        assert np.array_equal(np.asarray(p.grad), values)


def drawn(op, case):
    """The arrays of a call in the record's cases, and which of them may be inputs."""
    rng, names = np.random.default_rng(0), op.arguments
    found = []
    for k, given in enumerate(case.inputs):
        if isinstance(given, tuple):
            low, high = op.domain.get(names[0] if op.variadic else names[k], (-3, 3))
            found.append(np.asarray(rng.uniform(max(low, -3), min(high, max(low, -3) + 6), given), np.float32))
        else:
            found.append(given.astype(np.float32) if getattr(given, "dtype", None) == np.float64 else given)
    return found, [k for k, x in enumerate(found) if isinstance(x, np.ndarray) and x.dtype.kind in "fiub"]


# Forms that ONNX has no node for; `export` says so.
REFUSED = {"getitem": ("booleans", "a slice between"), "index_set": ("whole rows", "booleans")} | {
    **{"index_add": ("whole rows",), "einsum": ("refuses",), "blockwise_attention": ("dropout",)}
}


COMPILED = ("blockwise_attention",)
"""In float32, for which Numba compiles them anew."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in COMPILED))
        for name in sorted(record.name for record in WRITERS if isinstance(record, type))
    ],
)
def test_an_operation_is_written_in_every_case_of_its_record(name):
    op = REGISTRY[name]
    usual = [type("Case", (), {"inputs": ((2, 3),) * len(op.arguments), "settings": {}})]
    for case in op.cases or usual:
        xs, places = drawn(op, case)
        if not places or any(np.size(x) == 0 for x in xs):
            continue

        def call(*given, xs=xs, places=places, case=case):
            full = list(xs)
            for k, x in zip(places, given, strict=True):
                full[k] = x
            return op.apply(*full, **case.settings)

        try:
            export(call, None, *(xs[k] for k in places), dynamic=None)
        except ValueError as error:
            if not any(text in str(error) for text in REFUSED.get(name, ())):
                raise


def test_every_number_that_follows_the_batch_is_found():
    def f(x):
        batch, n = x.shape
        rows = np.reshape(x, (batch * 2, n // 2)) / batch
        ends = x[: batch - 1, 1:] * np.arange(batch - 1)[:, None]
        return rows.mean() + np.zeros((batch, n), np.float32), ends, x.sum(axis=0) / (2 * batch + 1)

    x = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    file = export(f, None, x)
    for batch in (2, 7):
        y = np.linspace(0, 1, 4 * batch, dtype=np.float32).reshape(batch, 4)
        for ours, theirs in zip(arrays(f(y)), run(file, y), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-6)


def test_several_axes_may_be_dynamic_and_have_names():
    block, x = made("TransformerBlock")
    file = export(
        block, None, x, dynamic=({0: "batch", 1: "time"},), settings={"causal": True}, input_names=["tokens"],
        output_names=["states"],
    )  # fmt: skip
    (given,), (result,) = file.graph.input, file.graph.output
    assert (given.name, result.name) == ("tokens", "states")
    assert [d.dim_param or d.dim_value for d in result.type.tensor_type.shape.dim] == ["batch", "time", 8]
    other = np.random.default_rng(1).normal(size=(2, 9, 8)).astype(np.float32)
    np.testing.assert_allclose(run(file, other)[0], arrays(block.eval()(other, causal=True))[0], atol=1e-5)


def test_no_axis_is_dynamic_where_none_is_asked_for(tmp_path):
    model, x = made("Linear, rows")
    export(model, tmp_path / "model.onnx", x, dynamic=None)
    dims = onnx.load(tmp_path / "model.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [3, 8]
    with pytest.raises(ValueError, match=r"input x: expected shape \[3, 8\], got \[4, 8\]"):
        load(tmp_path / "model.onnx")(np.zeros((4, 8), np.float32))


def test_the_examples_follow_the_dtype_of_the_parameters():
    model = nn.Linear(4, 3)
    assert export(model, None, np.zeros((2, 4))).graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    export(model.double(), None, np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"model\.float\(\)"):
        export(nn.Conv1d(2, 2, 3).double(), None, np.zeros((1, 2, 5)))


class Branch(nn.Module):
    def forward(self, x):
        return x if (x > 0).all() else -x


ROWS = np.ones((3, 4), np.float32)
TRAINING = nn.Dropout(0.5)
WRONG = {
    "branched on a value": (CaptureError, lambda: export(Branch(), None, ROWS)),
    "no way to write the operation sinc": (ValueError, lambda: export(lambda x: np.sinc(x), None, ROWS)),
    "draws random numbers": (ValueError, lambda: export(lambda x: nn.functional.dropout(x, 0.5), None, ROWS)),
    "Dropout is in training mode": (ValueError, lambda: export(lambda x: TRAINING(x), None, ROWS)),
    "the operations differ with the length of batch": (
        ValueError,
        lambda: export(lambda x: sum(r for r in x), None, ROWS),
    ),
    "the model fails where lengths are batch 4": (
        ValueError,
        lambda: export(lambda x: np.reshape(x, (12,)), None, ROWS),
    ),
    "neither of one number nor a range": (
        ValueError,
        lambda: export(lambda x: x + np.linspace(0, 1, len(x), dtype=np.float32)[:, None], None, ROWS),
    ),
    "expected a model that returns arrays": (ValueError, lambda: export(lambda x: 3.0, None, ROWS)),
    "expected an example of each input": (TypeError, lambda: export(nn.ReLU(), None)),
    "expected a module or a function, got int": (TypeError, lambda: export(3, None, ROWS)),
    "expected examples that are arrays of numbers": (TypeError, lambda: export(nn.ReLU(), None, "text")),
    "opset: expected 20 to": (ValueError, lambda: export(nn.ReLU(), None, ROWS, opset=12)),
    "has no axis 5": (ValueError, lambda: export(nn.ReLU(), None, ROWS, dynamic=({5: "n"},))),
    "one dict of axes and names for each of the 1": (ValueError, lambda: export(nn.ReLU(), None, ROWS, dynamic="time")),
    "input_names: expected 1 different": (ValueError, lambda: export(nn.ReLU(), None, ROWS, input_names=["a", "b"])),
    "'a' is the name of an input and of an output": (
        ValueError,
        lambda: export(nn.ReLU(), None, ROWS, input_names=["a"], output_names=["a"]),
    ),
    "have lengths 3, 4, expected one": (
        ValueError,
        lambda: export(lambda x: x, None, ROWS, dynamic=({0: "n", 1: "n"},)),
    ),
    "more than -1 times": (ValueError, lambda: export(nn.Tanh(), None, ROWS, tolerance=-1)),
}


@walked("message", WRONG)
def test_what_cannot_be_exported_is_named(message):
    kind, call = WRONG[message]
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize(("name", "step"), [("onnx", r"chainrule\[onnx\]"), ("onnxruntime", "check=False")])
def test_a_missing_library_is_named(monkeypatch, name, step):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=step):
        export(nn.ReLU(), None, ROWS)
