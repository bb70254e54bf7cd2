"""Each operator that `load` carries out: what onnxruntime gives, and derivatives that are right."""

import dataclasses

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.core.tensor import value_of
from chainrule.interop.onnx import load
from chainrule.interop.onnx.call import READERS

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'chainrule[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'chainrule[onnx]'")

RNG = np.random.default_rng(0)
OPSET = 23


def f(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def above(*shape):
    return np.abs(f(*shape)) + np.float32(0.2)


def ints(*values):
    return np.array(values, np.int64)


def number(value):
    return np.array(value, np.float32)


def case(*inputs, outputs=1, opset=OPSET, kinks=False, **attributes):
    """One call; `kinks` says that a derivative is not to be compared with differences."""
    return inputs, outputs, opset, kinks, attributes


EDGES = np.array([1.5, -2.5, 0.3, np.inf, -np.inf, 2.0], np.float32)
REDUCTIONS = ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
WAYS = (("forward", 1), ("reverse", 1), ("bidirectional", 2))
CASES = {
    **{
        name: [case(f(2, 3) * 2)]
        for name in (
            *("Abs", "Neg", "Exp", "Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Erf", "Sigmoid"),
            *("Relu", "Softplus", "Softsign", "HardSwish", "Mish", "Celu", "Selu", "LeakyRelu", "ThresholdedRelu"),
            *("Identity", "Dropout"),
        )
    },
    **{name: [case(above(2, 3) / 4)] for name in ("Sqrt", "Log", "Reciprocal", "Asin", "Acos", "Atanh")},
    **{name: [case(EDGES, kinks=True)] for name in ("Sign", "Floor", "Ceil", "Round", "IsNaN")},
    **{name: [case(f(2, 3), f(3)), case(f(2, 3), f(3), f(1, 1))] for name in ("Max", "Min", "Sum", "Mean")},
    **{name: [case(f(2, 3), f(3) + 4)] for name in ("Add", "Sub", "Mul")},
    **{
        name: [case(ints(1, 2, 3), ints(2, 2, 2)), case(f(3), f(1))]
        for name in ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")
    },
    **{name: [case(np.array([True, False]), np.array([[True], [False]]))] for name in ("And", "Or", "Xor")},
    **{
        f"Reduce{name}": [
            case(above(2, 3, 4)),
            case(above(2, 3, 4), ints(1, -1), keepdims=0),
            case(above(2, 3, 4), opset=11, axes=[1]),
        ]
        for name in REDUCTIONS
    },
    "Acosh": [case(above(2, 3) + 1)],
    "IsInf": [case(EDGES, kinks=True), case(EDGES, detect_negative=0), case(EDGES, detect_positive=0)],
    "Not": [case(np.array([True, False]))],
    "Div": [case(f(2, 3), f(3) + 4), case(ints(7, -7, 7, -7), ints(2, 2, -2, -2))],
    "Mod": [
        case(ints(7, -7, 7, -7), ints(3, 3, -3, -3)),
        case(ints(7, -7, 7, -7), ints(3, 3, -3, -3), fmod=1),
        case(f(4) * 5, f(4), fmod=1),
    ],
    "Pow": [
        case(above(2, 3), f(3)),
        case(f(2, 3), ints(3)),
        case(above(2, 3), number(2)),
        case(ints(2, 3), ints(2, 2)),
    ],
    "Where": [case(np.array([True, False, True]), f(2, 3), f(1, 1))],
    "Clip": [
        case(f(2, 3), number(-0.5), number(0.5)),
        case(f(2, 3), None, number(0.5)),
        case(f(2, 3), opset=7, min=-0.3, max=0.6),
    ],
    "Cast": [case(f(2, 3) * 3, to=7), case(f(2, 3), to=11)],
    "CastLike": [case(f(2, 3) * 3, ints(1))],
    "PRelu": [case(f(2, 3, 4), f(3, 1))],
    "Gelu": [case(f(2, 3)), case(f(2, 3), approximate="tanh")],
    "Elu": [case(f(2, 3)), case(f(2, 3), alpha=0.3)],
    "Swish": [case(f(2, 3), opset=24, alpha=1.7)],
    "HardSigmoid": [case(f(2, 3)), case(f(2, 3), alpha=0.3, beta=0.4)],
    "Shrink": [case(f(3, 4) * 2), case(f(3, 4) * 2, bias=0.2, lambd=0.7)],
    "Softmax": [case(f(2, 3, 4)), case(f(2, 3, 4), axis=1), case(f(2, 3, 4), opset=11)],
    "LogSoftmax": [case(f(2, 3, 4)), case(f(2, 3, 4), opset=12)],
    "Shape": [case(f(2, 3)), case(f(2, 3, 4), start=-2, end=-1)],
    "Size": [case(f(2, 3))],
    "Reshape": [case(f(2, 3, 4), ints(0, -1)), case(f(0, 3), ints(3, 0), allowzero=1)],
    "Flatten": [case(f(2, 3, 4), axis=2), case(f(2, 3, 4), axis=0), case(f(2, 3, 4), axis=-1)],
    "Transpose": [case(f(2, 3, 4)), case(f(2, 3, 4), perm=[1, 2, 0])],
    "Squeeze": [case(f(2, 1, 3, 1)), case(f(2, 1, 3, 1), ints(-1)), case(f(2, 1, 3), opset=11, axes=[1])],
    "Unsqueeze": [case(f(2, 3), ints(0, -1)), case(f(2, 3), opset=11, axes=[1])],
    "Expand": [case(f(3, 1), ints(2, 1, 4))],
    "Tile": [case(f(2, 3), ints(2, 3))],
    "Concat": [case(f(2, 3), f(2, 1), axis=-1)],
    "Split": [
        case(f(2, 7), outputs=3, axis=1, num_outputs=3),
        case(f(5, 2), ints(2, 3), outputs=2),
        case(f(5, 2), outputs=2, opset=11, split=[2, 3]),
    ],
    "Slice": [
        case(f(5, 6), ints(1, -2), ints(10, -100), ints(0, 1), ints(2, -1)),
        case(f(5, 6), ints(20), ints(-20), ints(1), ints(-1)),
        case(f(5, 6), ints(3), ints(1), ints(0)),
        case(f(5, 6), opset=9, starts=[1], ends=[3], axes=[1]),
    ],
    "Gather": [case(f(4, 3), ints(2, -1, 2)), case(f(4, 3), np.array([[0, 1], [2, 0]]), axis=1)],
    "GatherElements": [case(f(3, 3), np.array([[0, -1], [2, 1]]), axis=1)],
    "GatherND": [case(f(2, 3, 4), np.array([[0, 1], [1, 2]]))],
    "NonZero": [case(np.array([[0.0, 1.0], [2.0, 0.0]], np.float32))],
    "ScatterElements": [
        case(f(3, 3), np.array([[0, -1], [2, 1]]), f(2, 2), axis=1),
        case(f(3, 3), np.array([[0, 1, 0], [1, 1, 1]]), f(2, 3), reduction="add"),
        case(f(3, 3), np.array([[0, 1, 0], [1, 1, 1]]), f(2, 3), reduction="max"),
        case(f(3, 3), np.array([[0, -1], [2, 1]]), f(2, 2), axis=1, reduction="min"),
        case(ints(1, 5, 3), np.array([0, 0, 1]), ints(4, 2, 2), reduction="max"),
    ],
    "ScatterND": [
        case(f(4, 3), np.array([[1], [3]]), f(2, 3)),
        case(f(4, 3), np.array([[1], [1]]), f(2, 3), reduction="add"),
    ],
    "Pad": [
        case(f(2, 3), ints(1, 0, 0, 2), number(3.5)),
        case(f(3, 4), ints(1, 2, 0, 1), mode="reflect"),
        case(f(3, 4), ints(-1, 2, 0, -1), mode="constant"),
        case(f(3, 4), ints(1, 2), None, ints(1), mode="edge"),
        case(f(3, 4), opset=7, pads=[0, 1, 1, 0], value=2.0),
    ],
    "Trilu": [case(f(3, 4)), case(f(3, 4), np.array(-1), upper=0)],
    "Constant": [case(value_floats=[1.0, 2.0]), case(value_ints=[1, 2]), case(value_float=3.0)],
    "ConstantOfShape": [case(ints(2, 3))],
    "Range": [
        case(np.array(1.0), np.array(5.0), np.array(1.5), kinks=True),
        case(np.array(9), np.array(0), np.array(-4)),
    ],
    "OneHot": [
        case(ints(1, -1, 0), np.array(4), np.array([2, 5])),
        case(np.array([[1, 2]]), np.array(3), np.array([0, 1]), axis=1),
    ],
    "ArgMax": [case(f(3, 4), axis=1, keepdims=0), case(number([[1, 3, 3, 1]]), axis=1, select_last_index=1)],
    "ArgMin": [case(f(3, 4)), case(number([[1, 3, 3, 1]]), axis=1, select_last_index=1)],
    "TopK": [
        case(number([[3, 1, 4, 1], [5, 9, 2, 6]]), np.array([2]), outputs=2),
        case(number([[3, 1, 4], [5, 9, 2]]), np.array([1]), outputs=2, axis=0, largest=0),
        case(ints(3, 1, 4), np.array([3]), outputs=2, sorted=1),
    ],
    "DepthToSpace": [case(f(2, 8, 2, 3), blocksize=2), case(f(1, 9, 2, 2), blocksize=3, mode="CRD")],
    "SpaceToDepth": [case(f(2, 3, 4, 6), blocksize=2)],
    "Resize": [
        *(case(f(1, 2, 3, 4), None, None, np.array([1, 2, 5, 7]), mode="linear", coordinate_transformation_mode=way)
          for way in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")),
        *(case(f(1, 1, 3, 4), None, None, np.array([1, 1, 6, 7]), nearest_mode=way)
          for way in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")),
        case(f(1, 2, 3, 4), None, None, np.array([1, 2, 2, 3]), coordinate_transformation_mode="asymmetric",
             nearest_mode="floor"),
        case(f(1, 1, 4, 3), None, None, np.array([1, 1, 7, 5]), mode="cubic", cubic_coeff_a=-0.5),
        case(f(1, 1, 4, 3), None, None, np.array([1, 1, 7, 5]), mode="cubic", exclude_outside=1),
        case(f(1, 2, 4, 4), None, np.array([1, 1, 1.5, 2], np.float32), kinks=True, mode="linear"),
    ],
    "CumSum": [case(f(3, 4), np.array(1)), case(f(3, 4), np.array(0), exclusive=1, reverse=1)],
    "MatMul": [case(f(2, 3, 4), f(4, 5)), case(f(4), f(4, 5))],
    "Gemm": [
        case(f(2, 3), f(3, 4), f(4)),
        case(f(3, 2), f(4, 3), f(2, 1), transA=1, transB=1, alpha=0.5, beta=2.0),
        case(f(2, 3), f(3, 4)),
    ],
    "Einsum": [case(f(2, 3), f(3, 4), equation="ij,jk->ki")],
    "Conv": [
        case(f(2, 4, 9), f(6, 2, 3), f(6), group=2, strides=[2], pads=[1, 2], dilations=[2]),
        case(f(1, 2, 5, 6), f(3, 2, 3, 2), auto_pad="SAME_UPPER", strides=[2, 1]),
        case(f(1, 2, 5, 6), f(3, 2, 2, 2), auto_pad="SAME_LOWER"),
        case(f(1, 2, 5, 6), f(3, 2, 2, 2), auto_pad="VALID"),
        case(f(1, 2, 4, 5, 3), f(3, 2, 2, 2, 2), kernel_shape=[2, 2, 2]),
    ],
    "ConvTranspose": [
        case(f(2, 4, 5), f(4, 3, 3), f(6), group=2, strides=[2], pads=[1, 0], output_padding=[1]),
        case(f(1, 2, 3, 4), f(2, 3, 2, 3), dilations=[2, 1]),
    ],
    "MaxPool": [
        case(f(1, 2, 7, 6), kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
        case(f(1, 2, 8), kernel_shape=[3], strides=[2], ceil_mode=1),
        case(f(1, 2, 9), kernel_shape=[2], dilations=[3]),
        case(f(1, 2, 8), kernel_shape=[3], strides=[2], auto_pad="SAME_UPPER"),
    ],
    "AveragePool": [
        case(
            f(1, 2, 8, 7), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 1], count_include_pad=pad, ceil_mode=ceil
        )
        for pad in (0, 1)
        for ceil in (0, 1)
    ],
    "GlobalAveragePool": [case(f(2, 3, 4, 5))],
    "GlobalMaxPool": [case(f(2, 3, 4, 5))],
    "BatchNormalization": [case(f(3, 4, 5), f(4), f(4), f(4), above(4), epsilon=1e-3)],
    "InstanceNormalization": [case(f(2, 3, 4, 5), f(3), f(3))],
    "GroupNormalization": [case(f(2, 4, 5), f(4), f(4), num_groups=2)],
    "LayerNormalization": [
        case(f(2, 3, 4), f(4), f(4)),
        case(f(2, 3, 4), f(3, 4), f(3, 4), axis=1),
        case(f(2, 3, 4), f(4)),
    ],
    "RMSNormalization": [case(f(2, 3, 4), f(4))],
    "LpNormalization": [case(f(2, 3)), case(f(2, 3), p=1, axis=0)],
    "Attention": [
        case(f(2, 4, 3, 5), f(2, 2, 6, 5), f(2, 2, 6, 5), is_causal=1),
        case(f(2, 3, 8), f(2, 6, 4), f(2, 6, 4), np.tri(3, 6, 2) > 0, q_num_heads=4, kv_num_heads=2, scale=0.7),
        case(f(1, 2, 3, 4), f(1, 2, 6, 4), f(1, 2, 6, 4), f(3, 6)),
    ],
    "LSTM": [
        case(f(4, 2, 3), f(n, 20, 3), f(n, 20, 5), f(n, 40), None, f(n, 2, 5), f(n, 2, 5), outputs=3, hidden_size=5,
             direction=way) for way, n in WAYS
    ] + [case(f(4, 2, 3), f(1, 20, 3), f(1, 20, 5), outputs=3, hidden_size=5)],
    "GRU": [
        case(f(4, 2, 3), f(n, 15, 3), f(n, 15, 5), f(n, 30), None, f(n, 2, 5), outputs=2, hidden_size=5, direction=way,
             linear_before_reset=before) for way, n in WAYS for before in (0, 1)
    ] + [case(f(4, 2, 3), f(1, 15, 3), f(1, 15, 5), outputs=2, hidden_size=5)],
    "RNN": [
        case(f(4, 2, 3), f(n, 5, 3), f(n, 5, 5), outputs=2, hidden_size=5, direction=way, activations=["Relu"] * n)
        for way, n in WAYS
    ],
}  # fmt: skip


def built(kind, inputs, outputs, opset, attributes):
    """A model of one node, and its inputs; integers that shape the result are held in the file, as exporters do."""
    helper = onnx.helper
    names = [f"x{k}" if x is not None else "" for k, x in enumerate(inputs)]
    given = {name: x for name, x in zip(names, inputs, strict=True) if name}
    held = {name: x for name, x in given.items() if name != "x0" and x.dtype == np.int64}
    feed = {name: x for name, x in given.items() if name not in held}
    node = helper.make_node(kind, names, [f"y{k}" for k in range(outputs)], name="the node", **attributes)

    def described(name, x):
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)

    def made(results):
        graph = helper.make_graph(
            [node],
            "graph",
            [described(name, x) for name, x in feed.items()],
            results,
            [onnx.numpy_helper.from_array(x, name) for name, x in held.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)

    open_model = made([helper.make_empty_tensor_value_info(name) for name in node.output])
    session = onnxruntime.InferenceSession(open_model.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = session.run(None, feed)
    return made([described(name, y) for name, y in zip(node.output, wanted, strict=True)]), feed, wanted


def outputs_of(net, feed):
    found = net(**feed)
    return found if isinstance(found, tuple) else (found,)


def let_in_float64(net):
    """Let the inputs of a graph be float64, so that differences are exact enough."""
    contents = net.contents
    contents.inputs = [
        dataclasses.replace(one, dtype=np.dtype(float)) if one.dtype.kind == "f" else one for one in contents.inputs
    ]


ALL = [(kind, k) for kind, cases in CASES.items() for k in range(len(cases))]


@walked(("kind", "k"), ALL, ids=str)
def test_an_operator_gives_what_onnxruntime_gives_and_has_its_derivative(kind, k):
    inputs, count, opset, kinks, attributes = CASES[kind][k]
    model, feed, wanted = built(kind, inputs, count, opset, attributes)
    net = load(model)
    for ours, theirs in zip(outputs_of(net, feed), wanted, strict=True):
        ours = np.asarray(value_of(ours))
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    names = [name for name, x in feed.items() if x.dtype.kind == "f"]
    if not kinks and names and all(y.dtype.kind == "f" for y in wanted):
        let_in_float64(net)
        check_derivative(net, feed, names, wanted)


def check_derivative(net, feed, names, wanted):
    """Hold one directional derivative against a central difference."""
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=y.shape) for y in wanted]

    def loss(*xs):
        outputs = outputs_of(net, {**feed, **dict(zip(names, xs, strict=True))})
        return sum((y * w).sum() for y, w in zip(outputs, weights, strict=True))

    point = [feed[name].astype(float) for name in names]
    way = [rng.normal(size=x.shape) for x in point]

    def moved(h):
        return float(value_of(loss(*(x + h * v for x, v in zip(point, way, strict=True)))))

    gradients = cr.grad(loss, argnums=tuple(range(len(names))))(*point)
    found = sum(float((np.asarray(g) * v).sum()) for g, v in zip(gradients, way, strict=True))
    assert found == pytest.approx((moved(1e-6) - moved(-1e-6)) / 2e-6, rel=1e-5, abs=1e-5)


def test_every_operator_has_a_case():
    assert {*CASES, "If"} == set(READERS)  # its branches are graphs: test_branches.py


def test_the_factors_of_a_resize_are_no_parameters():
    helper, x = onnx.helper, f(1, 1, 2, 3)
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "factors"], ["y"], mode="linear")],
        "graph",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (1, 1, 4, 6))],
        [onnx.numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "factors")],
    )
    net = load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)]))
    assert list(net.named_parameters()) == []
    compiled = cr.compile(lambda x: net(x).sum())
    np.testing.assert_allclose([float(compiled(x)) for _ in range(2)], float(net(x).sum()), rtol=1e-6)
