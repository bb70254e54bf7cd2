"""`If` in a file: the branch that the condition chooses, its gradient, and what is refused by name."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.interop.onnx import load

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'chainrule[onnx]'")
X = np.array([[1.0, -2.0]], np.float32)


def node(kind, inputs, outputs, **attributes):
    return onnx.helper.make_node(kind, inputs.split(), outputs.split(), name=f"a {kind}", **attributes)


def graph(nodes, outputs, inputs=(), held=()):
    helper = onnx.helper
    arrays = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in dict(held).items()]
    values = [[helper.make_tensor_value_info(name, 1, None) for name in names] for names in (inputs, outputs)]
    return helper.make_graph(nodes, "graph", *values, arrays)


def model(nodes, held=()):
    made = graph(nodes, ["y"], ["x"], held)
    made.input[0].type.tensor_type.shape.dim.add().dim_value = 1
    made.input[0].type.tensor_type.shape.dim.add().dim_value = 2
    made.output[0].type.tensor_type.shape.dim.add().dim_value = 1
    made.output[0].type.tensor_type.shape.dim.add().dim_value = 2
    return onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def both(condition_nodes, condition, held=(), inside=()):
    """Twice x times w, or minus x plus v, where w is in the graph and v in the branch."""
    then = graph([*inside, node("Mul", "x w", "p"), node("Add", "p p", "a")], ["a"])
    other = graph([node("Neg", "x", "n"), node("Add", "n v", "b")], ["b"], held={"v": np.ones(2, np.float32)})
    chosen = node("If", condition, "y", then_branch=then, else_branch=other)
    return model([*condition_nodes, chosen], {"w": np.array([3.0, 4.0], np.float32), **dict(held)})


def onnxruntime(file, x):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    return runtime.InferenceSession(file.SerializeToString()).run(None, {"x": x})[0]


def test_a_condition_that_is_in_the_file():
    for value in (True, False):
        file = both([], "c", {"c": np.array(value)})
        loaded = load(file)
        np.testing.assert_allclose(loaded(X).numpy(), onnxruntime(file, X), rtol=1e-6)
        compiled = cr.compile(lambda x, f=loaded: f(x))
        for x in (X, X + 1):
            np.testing.assert_allclose(compiled(x).numpy(), loaded(x).numpy(), rtol=1e-6)


def test_a_condition_that_depends_on_the_input():
    nodes = [node("ReduceSum", "x", "s", keepdims=0), node("Greater", "s zero", "c")]
    file = both(nodes, "c", {"zero": np.float32(0)})
    loaded = load(file)
    assert {name for name, _ in loaded.named_parameters()} == {"w", "v"}
    for x, slope in ((X, [-1.0, -1.0]), (-X, [6.0, 8.0])):
        np.testing.assert_allclose(loaded(x).numpy(), onnxruntime(file, x), rtol=1e-6)
        given = cr.tensor(x, requires_grad=True)
        load(file)(given).sum().backward()
        np.testing.assert_allclose(given.grad.numpy()[0], slope, rtol=1e-6)
    loaded(X).sum().backward()
    grads = {name: p.grad for name, p in loaded.named_parameters()}
    assert grads["w"] is None
    np.testing.assert_allclose(grads["v"].numpy(), [1.0, 1.0])
    with pytest.raises(cr.CaptureError, match="branched on a value"):
        cr.compile(lambda x: loaded(x))(X)


def test_a_branch_within_a_branch():
    inner = node(
        "If", "c", "q", then_branch=graph([node("Mul", "x w", "i")], ["i"]),
        else_branch=graph([node("Identity", "w", "j")], ["j"]),
    )  # fmt: skip
    outer = node(
        "If", "c", "y", then_branch=graph([inner, node("Exp", "q", "e")], ["e"]),
        else_branch=graph([node("Identity", "x", "k")], ["k"]),
    )  # fmt: skip
    file = model([outer], {"w": np.array([0.5, 0.25], np.float32), "c": np.array(True)})
    np.testing.assert_allclose(load(file)(X).numpy(), onnxruntime(file, X), rtol=1e-6)


def test_an_operator_inside_a_branch_is_refused_by_name():
    with pytest.raises(ValueError, match=r"no operation for NonMaxSuppression \(node 'a NonMaxSuppression'\)"):
        load(both([], "c", {"c": np.array(True)}, [node("NonMaxSuppression", "x x", "boxes")]))
    with pytest.raises(ValueError, match=r"If \(a If\): cond: expected one boolean"):
        load(both([node("Greater", "x zero", "c")], "c", {"zero": np.float32(0)}))(X)
