"""Every function of `nn.functional` against PyTorch's of that name: values, and gradients for every floating argument.

A case is a call: what it is given positionally and by name. The same arrays go to both, in double precision.
"""

import inspect
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.nn import functional as F

from ..named import named

VALUES, GRADIENTS = 1e-10, 1e-8
COARSE = {"hardsigmoid": 1e-7}
"""PyTorch's own gradient has the constant 1/6 in single precision."""


def drawn(*shape: int, seed: int = 0) -> Any:
    """Numbers of order one, all different."""
    rng = np.random.default_rng((seed, *shape))
    size = int(np.prod(shape))
    return ((rng.permutation(size) + 0.5) / max(size, 1) * 6 - 3 + rng.uniform(-0.01, 0.01, size)).reshape(shape)


def signs(*shape: int) -> Any:
    return np.where(drawn(*shape, seed=9) > 0, 1, -1)


def classes(count: int, *shape: int) -> Any:
    return np.random.default_rng(5).integers(0, count, shape)


def shares(*shape: int) -> Any:
    x = np.exp(drawn(*shape, seed=3))
    return x / x.sum(axis=-1, keepdims=True)


class Call:
    """A call of a function, with the arguments that PyTorch differentiates; all floating ones unless `without`."""

    def __init__(self, name: str, *args: Any, without: tuple[int, ...] = (), **settings: Any) -> None:
        self.name, self.args, self.settings, self.without = name, args, settings, without

    def __str__(self) -> str:
        def written(x: Any) -> str:
            return f"{x.dtype.kind}{list(x.shape)}" if isinstance(x, np.ndarray) else repr(x)

        given = [*map(written, self.args), *(f"{key}={written(x)}" for key, x in self.settings.items())]
        return f"{self.name}({', '.join(given)})"

    @property
    def moving(self) -> list[int]:
        floating = (k for k, x in enumerate(self.args) if isinstance(x, np.ndarray) and x.dtype.kind == "f")
        return [k for k in floating if k not in self.without]


X1, X2, X3 = drawn(2, 4, 9), drawn(2, 4, 6, 7), drawn(2, 2, 4, 5, 4)
W1, W2, W3 = drawn(6, 4, 3, seed=1), drawn(6, 4, 3, 2, seed=1), drawn(3, 2, 2, 3, 1, seed=1)
BIAS = drawn(6, seed=2)

CONVOLUTIONS = [
    Call("conv1d", X1, W1),
    Call("conv1d", X1, W1, BIAS, stride=2, padding=1),
    Call("conv1d", X1, W1, BIAS, padding="same", dilation=2),
    Call("conv1d", X1, drawn(6, 4, 4), padding="same"),
    Call("conv1d", X1, W1, padding="valid"),
    Call("conv1d", X1, drawn(6, 2, 3), groups=2),
    Call("conv1d", X1, drawn(8, 1, 3), groups=4),
    Call("conv1d", X1[0], W1, BIAS),
    Call("conv1d", X1, drawn(6, 4, 9)),
    Call("conv1d", X1, drawn(6, 4, 1)),
    Call("conv1d", X1[:0], W1, BIAS),
    Call("conv1d", X1, W1, stride=4),
    Call("conv1d", X1, W1, stride=9, padding=5),
    Call("conv2d", X2, W2),
    Call("conv2d", X2, W2, BIAS, stride=(2, 1), padding=(0, 3), dilation=(2, 3)),
    Call("conv2d", X2, W2, padding="same"),
    Call("conv2d", X2, drawn(4, 2, 3, 3), groups=2, stride=2, padding=1),
    Call("conv2d", X2[0], W2, BIAS),
    Call("conv2d", drawn(2, 3, 10, 11), drawn(4, 3, 2, 2, seed=1), drawn(4)),
    Call("conv3d", X3, W3),
    Call("conv3d", X3, W3, drawn(3), stride=(1, 2, 1), padding=(1, 0, 2), dilation=(1, 2, 1)),
    Call("conv3d", X3, drawn(2, 1, 3, 3, 3), padding="same", groups=2),
    Call("conv_transpose1d", X1, drawn(4, 3, 3)),
    Call("conv_transpose1d", X1, drawn(4, 3, 3), drawn(3), stride=3, padding=2, output_padding=2),
    Call("conv_transpose1d", X1, drawn(4, 3, 3), stride=2, dilation=3, output_padding=2),
    Call("conv_transpose1d", X1, drawn(4, 2, 3), drawn(4), groups=2),
    Call("conv_transpose1d", X1[0], drawn(4, 3, 3), drawn(3)),
    Call("conv_transpose1d", X1[:0], drawn(4, 3, 3), drawn(3)),
    Call("conv_transpose2d", X2, drawn(4, 3, 3, 2)),
    Call("conv_transpose1d", X1, drawn(4, 3, 3), stride=2, dilation=4, padding=3, output_padding=3),
    Call("conv_transpose2d", X2, drawn(4, 3, 3, 2), drawn(3), stride=(2, 3), padding=(1, 0), output_padding=(1, 2)),
    Call("conv_transpose2d", X2, drawn(4, 1, 3, 3), drawn(2), groups=2, dilation=2, padding=1),
    Call("conv_transpose3d", X3, drawn(2, 2, 2, 3, 1), drawn(2), stride=2),
    Call("unfold", X2, 2),
    Call("unfold", X2, (3, 2), dilation=(1, 2), padding=(2, 0), stride=(2, 1)),
    Call("unfold", X2[0], 2),
    Call("fold", drawn(2, 12, 20), (5, 6), 2),
    Call("fold", drawn(2, 12, 12), (5, 6), (2, 2), padding=1, stride=2),
    Call("fold", drawn(12, 6), (5, 3), (2, 2), dilation=2, padding=(1, 1), stride=(3, 1)),
]

TIES = np.round(X2)
POOLS = [
    *(
        Call(f"{kind}_pool{n}d", x, *args, **settings)
        for kind in ("max", "avg")
        for n, x, args, settings in [
            (1, X1, (3,), {}),
            (1, X1, (3, 2, 1), {}),
            (1, X1[0], (2,), {}),
            (1, X1, (9,), {}),
            (1, X1, (2,), {"ceil_mode": True}),
            (1, X1, (3, 4), {"ceil_mode": True}),
            (2, X2, (2,), {}),
            (2, X2, ((3, 2),), {"stride": (2, 1), "padding": (1, 0)}),
            (2, X2, (3, 2, 1), {"ceil_mode": True}),
            (2, X2, (2, 3), {"ceil_mode": True}),
            (2, X2, (2, 2, 1), {"ceil_mode": True}),
            (2, X2[0], (2,), {"stride": 1}),
            (2, X2[:0], (2,), {}),
            (2, TIES, (3,), {"stride": 1}),
        ]
    ),
    Call("max_pool1d", X1, 2, dilation=3),
    Call("max_pool2d", X2, 2, stride=1, padding=1, dilation=(2, 3), ceil_mode=True),
    Call("max_pool2d", np.maximum(X2, 0), 3, padding=1),
    Call("avg_pool1d", X1, 3, 2, 1, count_include_pad=False),
    Call("avg_pool1d", X1, 4, 3, 2, ceil_mode=True, count_include_pad=False),
    Call("avg_pool2d", X2, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    Call("max_pool3d", X3, 2, stride=1, padding=1, ceil_mode=True),
    Call("avg_pool3d", X3, 2, 2, 1, ceil_mode=True, count_include_pad=False),
    Call("adaptive_avg_pool3d", X3, (2, 1, 3)),
    Call("adaptive_max_pool3d", X3, (None, 2, 1)),
    Call("avg_pool2d", X2, (2, 3), divisor_override=5),
    *(
        Call(f"adaptive_{kind}_pool{n}d", x, size)
        for kind in ("max", "avg")
        for n, x, size in [
            (1, X1, 1),
            (1, X1, 3),
            (1, X1, 4),
            (1, X1, 9),
            (1, X1, 20),
            (1, X1[0], 2),
            (2, X2, 1),
            (2, X2, (4, 3)),
            (2, X2, (None, 2)),
            (2, X2[0], (9, 5)),
            (2, X2[:0], 2),
            (2, TIES, (4, 3)),
        ]
    ),
]

PADS = [
    Call("pad", X2, (1, 2)),
    Call("pad", X2, (1, 2, 3, 0), value=1.5),
    Call("pad", X2, (-1, 2, 0, -3)),
    Call("pad", X2, (0, 0, 0, 0, 2, 1, 1, 0)),
    *(
        Call("pad", x, widths, mode)
        for mode in ("reflect", "replicate", "circular")
        for x, widths in [(X1, (2, 1)), (X1, (8, 8)), (X2, (1, 2, 3, 0)), (X3, (3, 0, 0, 2, 1, 1))]
    ),
    Call("pad", X1, (12, 20), "replicate"),
    Call("pad", X1, (9, 9), "circular"),
]

WEIGHT, OFFSET = drawn(4, seed=6), drawn(4, seed=7)
NORMS = [
    Call("layer_norm", X2, (7,), drawn(7), drawn(7, seed=1)),
    Call("layer_norm", X2, (6, 7), drawn(6, 7), drawn(6, 7, seed=1), eps=0.1),
    Call("layer_norm", X2, (4, 6, 7)),
    Call("layer_norm", np.ones((2, 3)), (3,)),
    Call("layer_norm", X1[:0], (9,)),
    Call("rms_norm", X2, (7,), drawn(7), eps=1e-5),
    Call("rms_norm", X2, (6, 7), eps=None),
    Call("rms_norm", np.zeros((2, 3)), (3,), eps=1e-5),
    Call("group_norm", X2, 2, WEIGHT, OFFSET),
    Call("group_norm", X1, 4),
    Call("group_norm", X1[:0], 2, WEIGHT, OFFSET),
    Call("group_norm", drawn(3, 4), 1, eps=0.2),
    Call("instance_norm", X1),
    Call("instance_norm", X2, weight=WEIGHT, bias=OFFSET, eps=0.1),
    Call("instance_norm", X2, np.ones(4), np.full(4, 2.0), without=(1, 2), use_input_stats=False),
    Call("batch_norm", X2, np.zeros(4), np.ones(4), WEIGHT, OFFSET, True, without=(1, 2)),
    Call("batch_norm", X2, drawn(4), np.exp(drawn(4)), WEIGHT, OFFSET, without=(1, 2)),
    Call("batch_norm", drawn(5, 4), None, None, training=True),
    Call("batch_norm", X1, drawn(4), np.exp(drawn(4)), eps=0.3, without=(1, 2)),
]

LINE = np.concatenate([drawn(40), [0.0, 1e3, -1e3, 30.0, -30.0]])
KINKS = np.array([-6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0])
ACTIVATIONS = [
    *(Call(name, LINE) for name in ("celu", "selu", "mish", "hardswish", "hardsigmoid", "relu6", "softsign")),
    *(Call(name, LINE) for name in ("logsigmoid", "tanhshrink", "softshrink", "hardshrink", "hardtanh")),
    *(Call(name, KINKS) for name in ("celu", "selu", "hardswish", "hardsigmoid", "relu6", "softsign")),
    *(Call(name, KINKS) for name in ("softshrink", "hardshrink", "hardtanh")),
    Call("celu", LINE, 0.5),
    Call("hardtanh", LINE, -0.5, 2.0),
    Call("softshrink", LINE, 1.0),
    Call("hardshrink", LINE, 0.0),
    Call("threshold", LINE, 0.5, -2.0),
    Call("threshold", KINKS, 0.5, -2.0),
    Call("glu", drawn(3, 4)),
    Call("glu", drawn(4, 3), dim=0),
    Call("prelu", X2, WEIGHT),
    Call("prelu", X1, drawn(1)),
    Call("prelu", drawn(5), drawn(1)),
    Call("prelu", np.zeros((2, 4)), WEIGHT),
]

A, B = drawn(5, 4), drawn(5, 4, seed=1)
WITH_ZERO = np.concatenate([A[:3], np.zeros((2, 4))])
VECTORS = [
    Call("embedding", classes(5, 3, 2), A),
    Call("embedding", np.array([4, 0, 4]), A, padding_idx=4),
    Call("embedding", np.array([4, 0, 4]), A, padding_idx=-5),
    Call("embedding", np.zeros((0, 2), int), A),
    Call("cosine_similarity", A, B),
    Call("cosine_similarity", A, B, dim=0),
    Call("cosine_similarity", drawn(5, 1, 4), drawn(3, 4, seed=1), dim=-1, eps=0.0),
    Call("cosine_similarity", WITH_ZERO, B),
    *(Call("normalize", A, p, dim=0) for p in (1.0, 2.0, 3.0, float("inf"))),
    Call("normalize", WITH_ZERO),
    Call("normalize", WITH_ZERO, 1.0),
    *(Call("pairwise_distance", A, B, p) for p in (1.0, 2.0, 3.0, float("inf"))),
    Call("pairwise_distance", A, B, keepdim=True),
    Call("pairwise_distance", A, B[0], eps=0.1),
    Call("pairwise_distance", A, A),
    Call("bilinear", A, drawn(5, 3), drawn(2, 4, 3), drawn(2)),
    Call("bilinear", drawn(2, 3, 4), drawn(2, 3, 2), drawn(5, 4, 2)),
]

T = classes(4, 5)
SOME_IGNORED = np.where(np.arange(5) % 2, -100, T)
P = shares(5, 4)
BITS = (drawn(5, 4, seed=4) > 0).astype(float)
CORNERS = np.array([[0.0, 0.0, 1.0, 1.0], [1e-12, 1.0 - 1e-12, 0.5, 1e-300]])
CORNER_BITS = np.array([[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.3, 1.0]])
CW = np.array([0.5, 2.0, 0.0, 1.5])
LOG_P = np.log(P)
COUNTS = np.array([[0.0, 1.0, 2.0, 7.0]] * 5)


def losses() -> list[Call]:
    calls = [
        Call("mse_loss", A, B),
        Call("mse_loss", A, B, weight=np.abs(B)),
        Call("l1_loss", A, B),
        Call("l1_loss", A, A.copy()),
        Call("l1_loss", A, B, weight=np.abs(B)),
        Call("smooth_l1_loss", A, B),
        Call("smooth_l1_loss", A, B, beta=0.3),
        Call("smooth_l1_loss", A, B, beta=0.0),
        Call("smooth_l1_loss", KINKS, np.zeros(9)),
        Call("huber_loss", A, B),
        Call("huber_loss", KINKS, np.zeros(9), delta=0.5),
        Call("huber_loss", A, B, weight=np.abs(B)),
        Call("nll_loss", LOG_P, T),
        Call("nll_loss", LOG_P, T, weight=CW),
        Call("nll_loss", LOG_P, SOME_IGNORED, weight=CW),
        Call("nll_loss", LOG_P, T, ignore_index=int(T[0])),
        Call("nll_loss", LOG_P[0], np.array(2)),
        Call("cross_entropy", A, T),
        Call("cross_entropy", A, T, weight=CW),
        Call("cross_entropy", A, SOME_IGNORED),
        Call("cross_entropy", A, SOME_IGNORED, weight=CW, label_smoothing=0.2),
        Call("cross_entropy", A, T, ignore_index=int(T[0]), label_smoothing=1.0),
        Call("cross_entropy", A, P),
        Call("cross_entropy", A, P, weight=CW, label_smoothing=0.3),
        Call("cross_entropy", A[0], P[0]),
        Call("cross_entropy", A[0], np.array(2)),
        Call("cross_entropy", A * 1e4, T),
        Call("binary_cross_entropy", P, BITS),
        Call("binary_cross_entropy", P, shares(5, 4), weight=np.abs(A)),
        Call("binary_cross_entropy", CORNERS, CORNER_BITS, without=(1,)),  # PyTorch's gradient for t is infinite there
        Call("binary_cross_entropy_with_logits", A, BITS),
        Call("binary_cross_entropy_with_logits", A, P, weight=np.abs(B)),
        Call("binary_cross_entropy_with_logits", A, P, pos_weight=np.abs(B[0])),
        Call("binary_cross_entropy_with_logits", A * 1e3, BITS, pos_weight=np.abs(B[0]), weight=np.abs(B)),
        Call("kl_div", LOG_P, shares(5, 4)[::-1].copy()),
        Call("kl_div", LOG_P, BITS, without=(1,)),  # PyTorch's gradient for t = 0 is not finite
        Call("kl_div", LOG_P, np.log(P)[::-1].copy(), log_target=True),
        Call("gaussian_nll_loss", A, B, np.abs(drawn(5, 4, seed=2))),
        Call("gaussian_nll_loss", A, B, np.abs(drawn(5, 1, seed=2)), full=True),
        Call("gaussian_nll_loss", A, B, np.array([1e-9, 0.0, 1.0, 2.0, 0.1])),
        Call("gaussian_nll_loss", A, B, 0.5, eps=0.7),
        Call("poisson_nll_loss", A, COUNTS),
        Call("poisson_nll_loss", A, COUNTS, full=True, without=(1,)),  # PyTorch's gradient for t = 0 is NaN
        Call("poisson_nll_loss", A, COUNTS + 0.5, full=True),
        Call("poisson_nll_loss", np.abs(A), COUNTS, log_input=False, eps=0.1),
        Call("hinge_embedding_loss", np.abs(A), signs(5, 4)),
        Call("hinge_embedding_loss", np.array([0.0, 1.0, 1.0, 2.0]), np.array([1, 1, -1, -1]), margin=1.0),
        Call("margin_ranking_loss", A[:, 0], B[:, 0], signs(5)),
        Call("margin_ranking_loss", A, B, signs(5, 4), margin=0.7),
        Call("margin_ranking_loss", A[0], A[0].copy(), signs(4)),
        Call("soft_margin_loss", A, signs(5, 4)),
        Call("soft_margin_loss", A * 100, signs(5, 4)),
        Call("multi_margin_loss", A, T),
        Call("multi_margin_loss", A, T, p=2, margin=0.5),
        Call("multi_margin_loss", A, T, weight=CW),
        Call("multi_margin_loss", A, T, p=2, weight=CW),
        Call("multi_margin_loss", A[0], np.array(1)),
        Call("multi_margin_loss", np.zeros((2, 3)), np.array([0, 2]), margin=0.0),
        Call("triplet_margin_loss", A, B, drawn(5, 4, seed=2)),
        Call("triplet_margin_loss", A, B, drawn(5, 4, seed=2), margin=3.0, p=1.0, swap=True),
        Call("triplet_margin_loss", A, A.copy(), A.copy()),
        Call("cosine_embedding_loss", A, B, signs(5)),
        Call("cosine_embedding_loss", A, B, -np.ones(5, int), margin=-0.5),
        Call("cosine_embedding_loss", WITH_ZERO, B, signs(5)),
        Call("cosine_embedding_loss", A[0], B[0], np.array(-1)),
    ]
    every = [
        Call(c.name, *c.args, without=c.without, **c.settings, reduction=reduction)
        for c in calls
        for reduction in ("mean", "sum", "none")
    ]
    return [
        *every,
        Call("kl_div", LOG_P, shares(5, 4)[::-1].copy(), reduction="batchmean"),
        Call("kl_div", LOG_P, np.log(P), log_target=True, reduction="batchmean"),
    ]


CALLS = [*CONVOLUTIONS, *POOLS, *PADS, *NORMS, *ACTIVATIONS, *VECTORS, *losses()]


def tensors(module: Any, values: Any, moving: Any = ()) -> list[Any]:
    """The arrays among values as tensors of a framework, those at `moving` as leaves."""
    make = cr.tensor if module is cr else module.tensor
    found = []
    for k, x in enumerate(values):
        if not isinstance(x, np.ndarray):
            found.append(x)
        elif k in moving:
            found.append(make(x, requires_grad=True))
        else:
            found.append(x.copy() if module is cr else make(x.copy()))
    return found


def run(module: Any, functions: Any, call: Call) -> tuple[Any, list[Any], list[Any]]:
    """Value, gradients with random weights, and the arrays that may have been written into."""
    leaves = tensors(module, call.args, call.moving)
    settings = dict(zip(call.settings, tensors(module, call.settings.values()), strict=True))
    y = getattr(functions, call.name)(*leaves, **settings)
    weights = drawn(*y.shape, seed=8)
    (y * (weights if module is cr else module.tensor(weights))).sum().backward()
    value = y.numpy() if module is cr else y.detach().numpy()
    gradients = [leaves[k].grad.numpy() for k in call.moving]
    return value, gradients, [np.asarray(leaves[k]) for k in call.without]


def close(what: str, got: Any, expected: Any, tolerance: float) -> None:
    scale = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * min(scale, 1.0) + 1e-300, err_msg=what)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # PyTorch's, of its own kl_div
@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # PyTorch's, of an even kernel
@walked("name", dict.fromkeys(call.name for call in CALLS))
def test_values_and_gradients_are_torchs(torch, name):
    for call in CALLS:
        if call.name == name:
            with named(call):
                agree(torch, call)


def agree(torch: Any, call: Call) -> None:
    value, gradients, written = run(cr, F, call)
    expected, slopes, other = run(torch, torch.nn.functional, call)
    close("the value", value, expected, VALUES)
    assert len(gradients) == len(call.moving)
    for k, got, slope in zip(call.moving, gradients, slopes, strict=True):
        close(f"the gradient of argument {k}", got, slope, COARSE.get(call.name, GRADIENTS))
    for got, moved in zip(written, other, strict=True):
        close("a running moment", got, moved, VALUES)


@walked("settings", [{}, {"padding": 1, "stride": 2}, {"dilation": 2, "ceil_mode": True}], ids=str)
@walked(("n", "x"), [(1, X1), (2, X2), (2, X2[0]), (2, TIES), (3, X3)])
def test_indices_of_the_largest_are_torchs(torch, n, x, settings):
    name = f"max_pool{n}d"
    y, indices = getattr(F, name)(cr.tensor(x), 2, return_indices=True, **settings)
    expected, places = getattr(torch.nn.functional, name)(torch.tensor(x), 2, return_indices=True, **settings)
    close("the value", y.numpy(), expected.numpy(), VALUES)
    np.testing.assert_array_equal(indices, places.numpy(), strict=True)


def test_running_moments_of_instances_are_torchs(torch):
    for functions, make in ((F, np.array), (torch.nn.functional, torch.tensor)):
        mean, variance = make(np.full(4, 1.0)), make(np.full(4, 2.0))
        functions.instance_norm(make(X2), mean, variance, momentum=0.3)
        if functions is F:
            ours = mean, variance
    close("the mean", ours[0], mean.numpy(), VALUES)
    close("the variance", ours[1], variance.numpy(), VALUES)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_pytorchs_layout_of_classes_is_axis_1(torch, name):
    x, target = drawn(2, 3, 4, 5), classes(3, 2, 4, 5)
    theirs = getattr(torch.nn.functional, name)(torch.tensor(x), torch.tensor(target))
    close("axis=1", getattr(F, name)(x, target, axis=1), theirs.numpy(), VALUES)
    close("dim=1", getattr(F, name)(x, target, dim=1), theirs.numpy(), VALUES)
    with pytest.raises(ValueError, match=f"{name}: .*axis=1"):
        getattr(F, name)(x, target)
    if name == "cross_entropy":
        shares_of_classes = np.moveaxis(shares(2, 4, 5, 3), -1, 1)
        theirs = torch.nn.functional.cross_entropy(torch.tensor(x), torch.tensor(shares_of_classes))
        close("probabilities", F.cross_entropy(x, shares_of_classes, axis=1), theirs.numpy(), VALUES)


SINGLE = [c for c in CALLS if c.settings.get("reduction") in (None, "mean")]


@walked("name", dict.fromkeys(call.name for call in SINGLE))
def test_float32_stays_float32(name):
    for call in SINGLE:
        if call.name == name:
            with named(call):
                hold_single_precision(call)


def hold_single_precision(call: Call) -> None:
    args = [x.astype(np.float32) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in call.args]
    leaves = tensors(cr, args, call.moving)
    settings = {
        k: x.astype(np.float32) if call.name.endswith("_norm") and isinstance(x, np.ndarray) else x
        for k, x in call.settings.items()
    }
    y = getattr(F, call.name)(*leaves, **settings)
    assert y.dtype == np.float32
    y.sum().backward()
    assert all(leaves[k].grad.dtype == np.float32 for k in call.moving)


WRONG = {
    r"conv1d: expected \[B, C, L\] or \[C, L\]": lambda: F.conv1d(X2, W1),
    "conv2d: expected weight .* with 4 axes": lambda: F.conv2d(X2, W1),
    r"conv2d: expected input with 3 channels .* for weight \[6, 3, 2, 2\], got input": lambda: F.conv2d(
        X2, drawn(6, 3, 2, 2)
    ),
    r"conv2d: expected input with 6 channels .* for weight \[6, 3, 2, 2\] and 2 groups, got": lambda: F.conv2d(
        X2, drawn(6, 3, 2, 2), groups=2
    ),
    "conv2d: expected weight .* 4 equal groups": lambda: F.conv2d(X2, drawn(6, 1, 2, 2), groups=4),
    "conv2d: groups: expected 1 or more": lambda: F.conv2d(X2, W2, groups=0),
    r"conv2d: expected bias \[6\]": lambda: F.conv2d(X2, W2, drawn(5)),
    "conv1d: a kernel that reaches over": lambda: F.conv1d(X1, drawn(6, 4, 10)),
    "conv1d: padding='same' keeps the size": lambda: F.conv1d(X1, W1, stride=2, padding="same"),
    "conv1d: padding: expected 'same'": lambda: F.conv1d(X1, W1, padding="full"),
    "conv1d: padding: expected 0 or more": lambda: F.conv1d(X1, W1, padding=-1),
    "conv2d: stride: expected an integer or 2 of them": lambda: F.conv2d(X2, W2, stride=(1, 1, 1)),
    "conv1d: dilation: expected an integer": lambda: F.conv1d(X1, W1, dilation=1.5),
    "conv_transpose1d: output_padding": lambda: F.conv_transpose1d(X1, drawn(4, 3, 3), output_padding=1),
    "conv_transpose1d: the output would have": lambda: F.conv_transpose1d(X1[..., :1], drawn(4, 3, 1), padding=1),
    "fold: expected .* for the size": lambda: F.fold(drawn(2, 12, 19), (5, 6), 2),
    "unfold: a kernel": lambda: F.unfold(X2, 8),
    "max_pool2d: padding: expected at most half": lambda: F.max_pool2d(X2, 2, padding=2),
    "avg_pool1d: a kernel": lambda: F.avg_pool1d(X1, 10),
    "avg_pool2d: divisor_override": lambda: F.avg_pool2d(X2, 2, divisor_override=0),
    "adaptive_avg_pool1d: output_size": lambda: F.adaptive_avg_pool1d(X1, 0),
    "adaptive_max_pool1d: expected an input with elements": lambda: F.adaptive_max_pool1d(X1[..., :0], 2),
    "pad: mode: expected one of": lambda: F.pad(X1, (1, 1), "wrap"),
    "pad: mode 'reflect' can add at most 8": lambda: F.pad(X1, (9, 0), "reflect"),
    "pad: mode 'circular' can add at most 9": lambda: F.pad(X1, (0, 10), "circular"),
    "pad: expected a pair": lambda: F.pad(X1, (1, 2, 3)),
    "pad: value": lambda: F.pad(X1, (1, 1), "reflect", 1.0),
    "would cut more": lambda: F.pad(X1, (-5, -5)),
    "prelu: expected weight": lambda: F.prelu(X2, drawn(3)),
    "bilinear: expected": lambda: F.bilinear(A, B, drawn(2, 4, 3)),
    "embedding: padding_idx": lambda: F.embedding(T, A, padding_idx=5),
    "batch_norm: expected running_mean": lambda: F.batch_norm(X2, None, None),
    "instance_norm: expected more than one value": lambda: F.instance_norm(drawn(2, 3, 1)),
    "binary_cross_entropy: expected probabilities": lambda: F.binary_cross_entropy(A, BITS),
    "mse_loss: weight": lambda: F.mse_loss(A, B, weight=drawn(3)),
    "cross_entropy: expected weight": lambda: F.cross_entropy(A, T, drawn(3)),
    "nll_loss: .*expected a class": lambda: F.nll_loss(A, T + 4),
    "nll_loss: the mean of no losses": lambda: F.nll_loss(A, np.full(5, -100)),
    "multi_margin_loss: p": lambda: F.multi_margin_loss(A, T, p=3),
    "gaussian_nll_loss: var: expected no negative": lambda: F.gaussian_nll_loss(A, B, -np.ones(5)),
    "gaussian_nll_loss: var: got": lambda: F.gaussian_nll_loss(A, B, np.ones((4, 4))),
    "triplet_margin_loss: margin": lambda: F.triplet_margin_loss(A, B, A, margin=0.0),
    "cosine_embedding_loss: expected": lambda: F.cosine_embedding_loss(A, B, T[:3]),
    "margin_ranking_loss: expected": lambda: F.margin_ranking_loss(A, B, T),
    "soft_margin_loss: expected input and target of one shape": lambda: F.soft_margin_loss(A, T),
    "hinge_embedding_loss: expected reduction": lambda: F.hinge_embedding_loss(A, signs(5, 4), reduction="average"),
}


@walked(("message", "wrong"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong(message, wrong):
    with pytest.raises((TypeError, ValueError, IndexError), match=message):
        wrong()


SETTINGS_OF_ITS_OWN = {"size_average", "reduce", "inplace", "out", "dtype", "_stacklevel", "return_indices"}
SETTINGS_OF_ITS_OWN |= {"max_norm", "norm_type", "scale_grad_by_freq", "sparse"}


@walked("name", sorted({c.name for c in losses()} | {"pad", "normalize", "unfold", "fold"}))
def test_arguments_are_torchs_in_torchs_order(torch, name):
    theirs = [*inspect.signature(getattr(torch.nn.functional, name)).parameters]
    theirs = ["axis" if p == "dim" else p for p in theirs if p not in SETTINGS_OF_ITS_OWN]
    ours = list(inspect.signature(getattr(F, name)).parameters)
    assert ours[: len(theirs)] == theirs
