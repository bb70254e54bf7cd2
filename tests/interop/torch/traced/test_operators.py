"""Every ATen operator that is carried out, against PyTorch's: values, dtypes and gradients in float64."""

import numpy as np
from tests.named import walked

import chainrule as cr
from chainrule.interop.torch.traced import operators  # noqa: F401  registers them
from chainrule.interop.torch.traced.call import CARRIERS, Call, Step
from chainrule.interop.torch.traced.graph import RANDOM, carried_out
from chainrule.interop.torch.traced.operators.activations import PLAIN
from chainrule.interop.torch.traced.operators.elements import ONE, TWO


class Dtypes:
    """A model in place of the traced one, which was never converted."""

    @staticmethod
    def dtype_now(dtype):
        return dtype


def draws(*shape):
    """Numbers in (0.1, 0.9): in the domain of every operator of one element."""
    return np.random.default_rng(sum(shape) + 7 * len(shape)).uniform(0.1, 0.9, shape)


def signed(*shape):
    return 3 * draws(*shape) - 1.5


def whole(*shape, high=4):
    return np.random.default_rng(len(shape)).integers(0, high, shape)


X = draws(2, 3, 4)
S = signed(2, 3, 4)
IMAGE = signed(2, 4, 6, 5)
YES = np.array([[True, False, True, True], [False, False, True, True], [True, True, True, False]])
ROWS = np.array([[0, 2, 1, 1], [2, 0, 0, 1]])
WHOLE, TWICE = np.array([1, 5, 3]), np.array([0, 0, 1])
ABOVE = {"acosh"}
UNARY = [(name, (draws(2, 3) + (name in ABOVE),)) for name in ONE]
BINARY = [
    (f"{name}.{'Tensor' if name not in ('maximum', 'minimum', 'fmax', 'fmin') else 'default'}", (draws(2, 3), draws(3)))
    for name in TWO
    if name
    not in ("atan2", "hypot", "heaviside", "logaddexp", "logaddexp2", "logical_and", "logical_or", "logical_xor")
]
CASES = [
    *UNARY,
    *BINARY,
    ("copysign.Tensor", (signed(2, 3), signed(3))),
    *((name, (draws(2, 3), draws(3))) for name in ("atan2", "hypot", "heaviside", "logaddexp", "logaddexp2")),
    *((name, (YES, YES[::-1].copy())) for name in ("logical_and", "logical_or", "logical_xor")),
    *((name, (S,)) for name in PLAIN),
    *((f"bitwise_{name}.Tensor", (YES, YES[::-1].copy())) for name in ("and", "or", "xor")),
    *((f"bitwise_{name}.Tensor", (whole(3), whole(3, high=9))) for name in ("and", "or", "xor")),
    *((f"__{name}__.Tensor", (whole(3), whole(3, high=9))) for name in ("and", "or", "xor")),
    *((f"bitwise_{name}_shift.Tensor", (whole(3), whole(3))) for name in ("left", "right")),
    *(("bitwise_not", (x,)) for x in (YES, whole(3))),
    # Mixed dtypes
    ("exp", (whole(3),)),
    ("sqrt", (whole(3),)),
    ("rsqrt", (whole(3) + 1,)),
    ("sigmoid", (whole(3),)),
    ("mul.Tensor", (whole(3), 0.5)),
    ("mul.Tensor", (YES, draws(4))),
    ("mul.Tensor", (draws(3).astype("f"), draws().astype("d"))),
    ("div.Tensor", (whole(3), 2)),
    ("rsub.Scalar", (draws(3), 1)),
    ("rsub.Scalar", (whole(3), 1.0)),
    ("eq.Scalar", (whole(3), 2)),
    ("sum", (YES,)),
    ("sum.dim_IntList", (whole(2, 3), [1], True)),
    # Arithmetic
    ("add.Tensor", (X, signed(4)), {"alpha": 2}),
    ("sub.Tensor", (X, signed(4)), {"alpha": 3}),
    ("div.Tensor_mode", (10 * S, draws(4)), {"rounding_mode": "floor"}),
    ("div.Tensor_mode", (10 * S, draws(4)), {"rounding_mode": "trunc"}),
    ("div.Tensor_mode", (np.array([-7, 7]), np.array([2, 2])), {"rounding_mode": "trunc"}),
    ("floor_divide", (np.array([-7, 7]), np.array([2, 2]))),
    ("remainder.Tensor", (S, draws(4))),
    ("fmod.Tensor", (S, draws(4))),
    ("pow.Tensor_Scalar", (X, 3)),
    ("pow.Tensor_Scalar", (np.array([0.0, 2.0]), 2)),
    ("pow.Tensor_Tensor", (X, signed(4))),
    ("pow.Scalar", (2, X)),
    ("round", (10 * S,)),
    ("round.decimals", (10 * S,), {"decimals": 1}),
    ("rsqrt", (X,)),
    ("frac", (10 * S,)),
    ("lerp.Scalar", (X, S, 0.3)),
    ("lerp.Tensor", (X, S, draws(4))),
    ("addcmul", (X, S, S), {"value": 2}),
    ("addcdiv", (S, S, X), {"value": 2}),
    ("logit", (X,)),
    ("logit", (X, 0.3)),
    ("alias", (X,)),
    ("clone", (X,)),
    ("detach", (X,)),
    ("fill.Scalar", (X, 2.0)),
    ("copy", (X, draws(4))),
    ("where.self", (YES, S[0], X[0])),
    ("where.ScalarOther", (YES, S[0], 1)),
    ("masked_fill.Scalar", (X, YES, -1e3)),
    ("masked_fill.Tensor", (X, YES, draws())),
    ("clamp", (S, -0.5, 0.5)),
    ("clamp", (whole(5), 1, None)),
    ("clamp.Tensor", (S, draws(4) - 1, draws(4))),
    ("clamp_min", (S, 0.25)),
    ("clamp_max", (S, 0.25)),
    ("nan_to_num", (np.array([np.nan, np.inf, -np.inf, 1.0]), 2.0, 3.0, -3.0)),
    # Activations
    ("log_sigmoid_forward", (S,)),
    ("gelu", (S,)),
    ("gelu", (S,), {"approximate": "tanh"}),
    ("leaky_relu", (S, 0.2)),
    ("elu", (S, 0.7)),
    ("elu", (S, 0.7, 1.1, 0.5)),
    ("celu", (S, 0.7)),
    ("prelu", (S, draws(3))),
    ("_prelu_kernel", (S, draws(1, 3, 1))),
    ("softplus", (30 * S, 2.0, 20)),
    ("hardtanh", (S, -0.5, 0.7)),
    ("threshold", (S, 0.1, -1.0)),
    ("hardshrink", (S, 0.4)),
    ("softshrink", (S, 0.4)),
    ("glu", (S, -1)),
    ("softmax.int", (S, 1)),
    ("_softmax", (S, -1, False)),
    ("_safe_softmax", (np.array([[0.0, 1.0], [-np.inf, -np.inf]]), -1)),
    ("log_softmax.int", (S, 0)),
    ("_log_softmax", (S, -1, False)),
    # Shapes
    ("view", (X, [4, -1])),
    ("reshape", (X, [6, 4])),
    ("_unsafe_view", (X, [6, 4])),
    ("flatten.using_ints", (X, 1, 2)),
    ("unflatten.int", (X, 2, [2, 2])),
    ("permute", (X, [2, 0, 1])),
    ("transpose.int", (X, 0, -1)),
    ("t", (draws(2, 3),)),
    ("numpy_T", (draws(2, 3),)),
    ("movedim.intlist", (X, [0, 1], [2, 0])),
    ("unsqueeze", (X, -2)),
    ("squeeze", (draws(1, 3, 1),)),
    ("squeeze.dim", (draws(1, 3, 1), 1)),
    ("squeeze.dims", (draws(1, 3, 1), [0, 1])),
    ("expand", (draws(3, 1), [2, -1, 4])),
    ("expand_as", (draws(3, 1), X)),
    ("repeat", (draws(2, 3), [2, 1, 3])),
    ("tile", (draws(2, 3), [2])),
    ("repeat_interleave.self_int", (X, 2, 1)),
    ("cat", ([X, S], 1)),
    ("cat", ([draws(0), draws(2)],)),
    ("cat", ([whole(2), draws(2)],)),
    ("stack", ([X, S], -1)),
    ("split.Tensor", (X, 2, 1)),
    ("split_with_sizes", (X, [1, 3], 2)),
    ("chunk", (X, 2, 2)),
    ("unbind.int", (X, 1)),
    ("flip", (X, [0, 2])),
    ("roll", (X, [1, -2], [0, 2])),
    ("roll", (X, [3])),
    ("rot90", (X, 1, [1, 2])),
    ("diagonal", (X, 1, 1, 2)),
    ("diag_embed", (draws(2, 3), 1)),
    ("diag_embed", (draws(2, 3), -1)),
    ("diag_embed", (draws(2, 3),)),
    ("tril", (X, 1)),
    ("triu", (X, 1)),
    ("constant_pad_nd", (X, [1, 2, -1, 0], 3.0)),
    ("constant_pad_nd", (whole(3), [1, 1], 2)),
    ("constant_pad_nd", (YES, [1, 0], True)),
    ("pad", (X, [1, 2], "constant", 2.0)),
    ("pad", (X, [1, 2], "circular")),
    ("reflection_pad1d", (X, [1, 2])),
    ("reflection_pad2d", (IMAGE, [1, 2, 0, 3])),
    ("reflection_pad3d", (signed(1, 2, 3, 4, 3), [1, 2, 0, 3, 1, 1])),
    ("replication_pad1d", (X, [1, 2])),
    ("replication_pad3d", (signed(1, 2, 3, 4, 3), [1, 2, 0, 3, 1, 1])),
    ("replication_pad2d", (IMAGE, [1, 2, 0, 3])),
    ("_pad_circular", (IMAGE, [1, 2, 0, 3])),
    ("pixel_shuffle", (IMAGE, 2)),
    ("pixel_unshuffle", (draws(2, 3, 4, 6), 2)),
    ("channel_shuffle", (IMAGE, 2)),
    ("broadcast_tensors", ([X, draws(4)],)),
    ("meshgrid.indexing", ([draws(2), draws(3)],), {"indexing": "xy"}),
    # Indices
    ("select.int", (X, 1, -1)),
    ("slice.Tensor", (X, 2, 1, 2**63 - 1, 2)),
    ("slice.Tensor", (X, 1, -2)),
    ("narrow", (X, 2, 1, 2)),
    ("index.Tensor", (X, [None, np.array([0, 2, 0]), np.array([1, 1, 3])])),
    ("index.Tensor", (X, [np.array([1, 0]), None, np.array([1, 3])])),
    ("index.Tensor", (X[0], [YES])),
    ("index_select", (X, 1, np.array([2, 0, 2]))),
    ("take", (X, np.array([5, 0, 5]))),
    ("gather", (X, 1, np.array([[[0, 2], [1, 1]]]))),
    ("embedding", (draws(5, 3), whole(2, 4), 1)),
    ("embedding", (draws(5, 3), whole(2, 4))),
    ("select_scatter", (X, signed(2, 4), 1, 1)),
    ("slice_scatter", (X, signed(2, 3, 2), 2, 1, 3)),
    ("index_put", (X, [None, np.array([0, 2])], signed(2, 4))),
    ("index_put", (X, [np.array([0, 0]), np.array([1, 1])], signed(2, 4), True)),
    ("index_add", (X, 1, np.array([0, 0]), signed(2, 2, 4)), {"alpha": 2}),
    ("index_copy", (X, 1, np.array([2, 0]), signed(2, 2, 4))),
    ("index_fill.int_Scalar", (X, 1, np.array([2, 0]), 2.0)),
    ("scatter.src", (draws(3, 4), 0, np.array([[0, 2, 1, 1], [2, 0, 0, 2]]), signed(2, 4))),
    ("scatter.value", (draws(3, 4), 0, ROWS, 2.0)),
    ("scatter_add", (draws(3, 4), 0, ROWS, signed(2, 4))),
    ("scatter.reduce", (draws(3, 4), 0, ROWS, signed(2, 4)), {"reduce": "add"}),
    ("scatter_reduce.two", (draws(3, 4), 0, ROWS, signed(2, 4), "sum")),
    ("scatter_reduce.two", (draws(3, 4), 0, ROWS, signed(2, 4), "mean")),
    ("scatter_reduce.two", (draws(3, 4), 0, ROWS, signed(2, 4), "mean"), {"include_self": False}),
    ("scatter_reduce.two", (draws(3, 4), 0, ROWS, signed(2, 4), "amax")),
    ("scatter_reduce.two", (draws(3, 4), 0, ROWS, signed(2, 4), "amin"), {"include_self": False}),
    ("scatter_reduce.two", (draws(3, 4), 1, np.array([[0, 1], [1, 1]]), signed(2, 2), "amax")),
    ("scatter_reduce.two", (WHOLE, 0, TWICE, np.array([4, 2, 2]), "amax")),
    ("scatter_reduce.two", (WHOLE, 0, TWICE, np.array([4, 2, 2]), "amin"), {"include_self": False}),
    ("masked_scatter", (X, YES, draws(24))),
    ("topk", (S, 2, 1)),
    ("topk", (S, 2, 1, False)),
    ("sort", (S, 1, True)),
    ("argsort", (S, 1)),
    ("nonzero", (YES,)),
    ("masked_select", (X, YES)),
    ("one_hot", (whole(3), 5)),
    ("bucketize.Tensor", (S, np.array([-1.0, 0.0, 1.0]))),
    ("searchsorted.Tensor", (np.array([-1.0, 0.0, 1.0]), S), {"right": True}),
    ("unfold", (X, 2, 2, 1)),
    # Reductions
    ("sum.dim_IntList", (X, [0, 2])),
    ("mean", (X,)),
    ("mean.dim", (X, [-1], True)),
    ("prod.dim_int", (X, 1)),
    ("amax", (S, [1, 2])),
    ("amin", (S, [], True)),
    ("aminmax", (S,), {"dim": 1}),
    ("max", (S,)),
    ("max.dim", (S, 1, True)),
    ("max.other", (S, X)),
    ("min.dim", (S, 2)),
    ("argmax", (S, 1, True)),
    ("argmax", (S,)),
    ("argmin", (S, 0)),
    ("any.dim", (YES, 1)),
    ("all", (YES,)),
    ("count_nonzero.dim_IntList", (whole(3, 4), [0])),
    ("logsumexp", (S, [1, 2], True)),
    ("var.correction", (S, [1]), {"correction": 0}),
    ("var", (S, False)),
    ("std.correction", (S, [1, 2]), {"correction": 1, "keepdim": True}),
    ("var_mean.correction", (S, [1]), {"correction": 0}),
    ("std_mean.correction", (S, [1]), {"correction": 1}),
    ("linalg_vector_norm", (S, 2, [0, 2], True)),
    ("linalg_vector_norm", (S, 1)),
    ("linalg_vector_norm", (np.zeros((2, 3)), 2, [1])),
    ("norm.ScalarOpt_dim", (S, 3, [1])),
    ("cumsum", (S, 1)),
    ("cumsum", (YES, 0)),
    ("cumprod", (S, 1)),
    ("cummax", (S, 1)),
    ("cummin", (S, 1)),
    ("logcumsumexp", (S, 1)),
    # Products
    ("mm", (signed(2, 3), signed(3, 4))),
    ("mm", (whole(2, 3), whole(3, 4))),
    ("bmm", (X, signed(2, 4, 2))),
    ("matmul", (X, signed(4))),
    ("mv", (signed(2, 3), signed(3))),
    ("dot", (signed(3), draws(3))),
    ("linear", (X, signed(5, 4), signed(5))),
    ("linear", (X, signed(5, 4))),
    ("addmm", (signed(4), signed(2, 3), signed(3, 4))),
    ("addmm", (signed(2, 4), signed(2, 3), signed(3, 4)), {"beta": 0.5, "alpha": 2}),
    ("baddbmm", (signed(2, 3, 2), X, signed(2, 4, 2)), {"beta": 0, "alpha": 2}),
    ("addbmm", (signed(3, 2), X, signed(2, 4, 2))),
    ("addmv", (signed(2), signed(2, 3), signed(3))),
    ("addr", (signed(2, 3), signed(2), signed(3)), {"alpha": 2}),
    ("outer", (signed(2), signed(3))),
    ("einsum", ("bij,bkj->bik", [X, S])),
    ("_trilinear", (signed(2, 3), signed(5, 3, 4), signed(2, 4), [1, 3], [0], [1, 2], [2, 3])),
    ("bilinear", (signed(2, 3), signed(2, 4), signed(5, 3, 4), signed(5))),
    ("cdist", (signed(3, 4), signed(5, 4))),
    ("linalg_inv", (signed(3, 3) + 3 * np.eye(3),)),
    ("linalg_inv_ex", (signed(3, 3) + 3 * np.eye(3),)),
    ("linalg_det", (signed(3, 3),)),
    ("linalg_solve", (signed(3, 3) + 3 * np.eye(3), signed(3, 2))),
    ("linalg_cholesky", (0.1 * np.ones((3, 3)) + np.eye(3),)),
    ("scaled_dot_product_attention", (signed(2, 2, 3, 4), draws(2, 2, 5, 4), signed(2, 2, 5, 4), whole(3, 5) > 0)),
    ("scaled_dot_product_attention", (signed(2, 2, 3, 4), draws(2, 2, 5, 4), signed(2, 2, 5, 4), signed(2, 1, 3, 5)),
     {"scale": 0.3}),
    ("scaled_dot_product_attention", (signed(2, 4, 3, 4), draws(2, 2, 3, 4), signed(2, 2, 3, 4)),
     {"is_causal": True, "enable_gqa": True}),
    ("_scaled_dot_product_flash_attention_for_cpu", (signed(2, 2, 3, 4),) * 3),
    # Layers
    ("_fused_rms_norm", (X, [4], draws(4), 1e-3)),
    ("layer_norm", (X, [3, 4], draws(3, 4), signed(3, 4), 1e-3)),
    ("native_layer_norm", (X, [4], draws(4), signed(4), 1e-3)),
    ("rms_norm", (X, [4], draws(4), 1e-3)),
    ("rms_norm", (X, [4])),
    ("group_norm", (IMAGE, 2, draws(4), signed(4), 1e-3)),
    ("native_group_norm", (IMAGE, draws(4), signed(4), 2, 4, 30, 2, 1e-3)),
    ("_native_batch_norm_legit_no_training", (IMAGE, draws(4), signed(4), draws(4), draws(4), 0.1, 1e-3)),
    ("_native_batch_norm_legit_functional", (IMAGE, draws(4), signed(4), draws(4), draws(4), True, 0.1, 1e-3)),
    ("_native_batch_norm_legit.no_stats", (IMAGE, draws(4), None, True, 0.1, 1e-3)),
    ("dropout", (X, 0.5, False)),
    # Windows
    ("conv1d", (X, signed(2, 3, 2), signed(2), [2], [1])),
    ("conv2d", (IMAGE, signed(4, 2, 3, 2), signed(4), [2, 1], [1, 0], [1, 2], 2)),
    ("conv2d.padding", (IMAGE, signed(2, 4, 3, 2), None, [1, 1], "same")),
    ("conv3d", (signed(1, 2, 3, 4, 3), signed(2, 2, 2, 2, 2))),
    ("conv_transpose1d", (X, signed(3, 2, 2), signed(2), [2], [1], [1])),
    ("conv_transpose2d.input", (IMAGE, signed(4, 2, 3, 2), signed(4), [2, 1], [1, 0], [1, 0], 2)),
    ("convolution", (IMAGE, signed(2, 4, 3, 3), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)),
    ("convolution", (IMAGE, signed(4, 2, 3, 3), signed(2), [2, 2], [1, 1], [1, 1], True, [1, 1], 1)),
    ("max_pool1d", (X, [2])),
    ("max_pool2d", (IMAGE, [3, 2], [2], [1, 0], [1], True)),
    ("max_pool2d_with_indices", (IMAGE, [2, 2])),
    ("avg_pool1d", (X, [2], [1])),
    ("avg_pool2d", (IMAGE, [2, 2], [2, 1], [1, 1], True, False)),
    ("avg_pool2d", (IMAGE, [2, 2], [], [0, 0], False, True, 3)),
    ("adaptive_avg_pool1d", (X, [3])),
    ("adaptive_avg_pool2d", (IMAGE, [4, 3])),
    ("_adaptive_avg_pool2d", (IMAGE, [4, 3])),
    ("adaptive_avg_pool3d", (signed(1, 2, 3, 4, 3), [2, 3, 1])),
    ("adaptive_max_pool1d", (X, [3])),
    ("adaptive_max_pool2d", (IMAGE, [4, 3])),
    ("adaptive_max_pool3d", (signed(1, 2, 3, 4, 3), [2, 3, 1])),
    ("im2col", (IMAGE, [2, 2], [1, 1], [1, 0], [2, 1])),
    ("col2im", (signed(1, 8, 6), [3, 4], [2, 2], [1, 1], [0, 0], [1, 1])),
    # Resizing
    ("upsample_nearest1d", (X, [7])),
    ("upsample_nearest2d", (IMAGE, [12, 10])),
    ("upsample_nearest2d.vec", (IMAGE, None, [1.5, 2.0])),
    ("upsample_nearest2d.vec", (IMAGE, [4, 3], None)),
    ("upsample_nearest3d", (signed(1, 2, 3, 4, 3), [6, 5, 3])),
    ("_upsample_nearest_exact1d", (X, [7])),
    ("_upsample_nearest_exact3d", (signed(1, 2, 3, 4, 3), [6, 5, 2])),
    ("_upsample_nearest_exact2d", (IMAGE, [7, 8])),
    ("upsample_linear1d", (X, [7], False)),
    ("upsample_bilinear2d", (IMAGE, [9, 3], True)),
    ("upsample_bilinear2d.vec", (IMAGE, None, False, [2.5, 1.5])),
    ("upsample_bilinear2d.vec", (IMAGE, [12, 5], False, None)),
    ("upsample_trilinear3d", (signed(1, 2, 3, 4, 3), [6, 5, 3], False)),
    ("upsample_bicubic2d", (IMAGE, [9, 3], False)),
    ("upsample_bicubic2d.vec", (IMAGE, None, True, [2.0, 2.0])),
    # Makers
    ("full", ([2, 3], 2)),
    ("full_like", (X, 2)),
    ("new_full", (X, [2], 3)),
    ("zeros", ([2, 3],)),
    ("ones_like", (X,)),
    ("scalar_tensor", (2.5,)),
    ("arange", (5,)),
    ("arange.start_step", (1, 8, 3)),
    ("linspace", (0.0, 1.0, 5)),
    ("eye", (3,)),
    ("eye.m", (3, 4)),
    ("tril_indices", (3, 4, 1)),
    ("triu_indices", (3, 4, 1)),
    *(("_embedding_bag", (signed(6, 3), np.array([1, 0, 2, 5, 2]), np.array([0, 2, 2, 5][:count]), False, mode, False,
                          weights, count == 4, padding))
      for count, mode, weights, padding in ((3, 0, None, -1), (3, 0, signed(5), 2), (4, 1, None, 2), (3, 2, None, 2))),
    # Recurrent
    ("lstm.input", (signed(3, 2, 4), [signed(2, 2, 3), draws(2, 2, 3)],
                    [signed(12, 4), signed(12, 3), signed(12), signed(12)] * 2, True, 1, 0.0, False, True, False)),
    ("gru.input", (signed(2, 3, 4), signed(2, 2, 3),
                   [signed(9, 4), signed(9, 3), signed(9, 3), draws(9, 3)], False, 2, 0.0, False, False, True)),
    ("rnn_tanh.input", (signed(3, 2, 4), signed(1, 2, 3), [signed(3, 4), signed(3, 3)], False, 1, 0.0, False, False,
                        False)),
    ("rnn_relu.input", (signed(3, 2, 4), signed(1, 2, 3), [signed(3, 4), signed(3, 3)], False, 1, 0.0, False, False,
                        False)),
    ("lstm_cell", (signed(2, 4), [signed(2, 3), draws(2, 3)], signed(12, 4), signed(12, 3))),
    ("gru_cell", (signed(2, 4), signed(2, 3), signed(9, 4), signed(9, 3))),
]  # fmt: skip
CONSTANT = {
    **{"_native_batch_norm_legit_no_training": (3, 4), "_native_batch_norm_legit_functional": (3, 4)},
    **{"heaviside": (0, 1), "copysign.Tensor": (1,), "scatter.reduce": (0, 3), "copy": (0, 1)},
}
"""Arguments for which PyTorch has no derivative."""
FIRST = ("adaptive_max_pool", "_fused_rms_norm", "_scaled_dot_product_flash", "native_layer_norm", "_embedding_bag")
"""Of these no step of a graph takes anything but the first output."""
LOOSE = {"hardsigmoid", "celu", "digamma"}
"""PyTorch rounds a number in their backward passes, or approximates it more coarsely."""
ELSEWHERE = {
    *("stop_gradient", "prims.convert_element_type", "_local_scalar_dense", "item", "_to_copy"),
    *("sym_size.int", "size.int", "sym_numel", "numel", "native_dropout", "empty_strided", "new_empty_strided"),
    "empty_permuted",
    *(name for name, function in CARRIERS.items() if function.__module__.endswith(".spectra")),
}
"""What the tests of whole models cover, or what has no operator of PyTorch to be compared with."""


def filled(tree, leaf):
    if isinstance(tree, list):
        return [filled(item, leaf) for item in tree]
    if isinstance(tree, tuple):
        return tuple(filled(item, leaf) for item in tree)
    return leaf(tree)


def results(y):
    return list(y) if isinstance(y, list | tuple) else [y]


@walked("case", CASES, ids=lambda case: case[0])
def test_an_operator_is_pytorchs(torch, case):
    kind, args, settings = (*case, {})[:3]
    packet, _, overload = kind.partition(".")
    operator = getattr(getattr(torch.ops.aten, packet), overload or "default")
    inputs, tensors = [], []

    fixed = [id(args[k]) for k in CONSTANT.get(kind, ())]

    def ours(x):
        if not isinstance(x, np.ndarray):
            return x
        inputs.append(cr.tensor(x, requires_grad=x.dtype.kind == "f" and id(x) not in fixed))
        return inputs[-1] if x.dtype.kind == "f" else x

    def theirs(x):
        if not isinstance(x, np.ndarray):
            return x
        tensors.append(torch.tensor(x, requires_grad=x.dtype.kind == "f" and id(x) not in fixed))
        return tensors[-1]

    torch.set_default_dtype(torch.float64)
    try:
        expected = operator(*filled(args, theirs), **settings)
    finally:
        torch.set_default_dtype(torch.float32)
    dtypes = [np.dtype(str(y.dtype).removeprefix("torch.")) for y in results(expected)]
    several: tuple = (dtypes[0],) + (None,) * (len(dtypes) - 1) if kind.startswith(FIRST) else tuple(dtypes)
    several = several if isinstance(expected, list | tuple) else dtypes[0]
    step = Step(kind, "y", filled(args, ours), settings, several)
    found = carried_out(Call(step, Dtypes), {})
    total, total_torch = 0.0, 0.0
    for k, (y, y_torch) in enumerate(zip(results(found), results(expected), strict=False)):
        if y is None:  # what PyTorch keeps for its own backward pass
            continue
        close = 1e-6 if y.dtype == np.float32 else 1e-11
        assert (y.dtype, y.shape) == (dtypes[k], y_torch.shape)
        np.testing.assert_allclose(np.asarray(cr.stop_gradient(y)), y_torch.detach().numpy(), rtol=close, atol=close)
        if y_torch.requires_grad:
            bar = np.random.default_rng(k).normal(size=y.shape)
            total, total_torch = total + (y * bar).sum(), total_torch + (y_torch * torch.tensor(bar)).sum()
    if not isinstance(total_torch, float):
        total_torch.backward()
        if getattr(total, "requires_grad", False):
            total.backward()
    close = 1e-7 if kind in LOOSE or "float32" in map(str, dtypes) else 1e-10
    for x, x_torch in zip(inputs, tensors, strict=True):
        if x_torch.grad is not None:
            gradient = np.zeros(x.shape) if x.grad is None else x.grad.numpy()
            np.testing.assert_allclose(gradient, x_torch.grad.numpy(force=True), rtol=close, atol=close)


def test_every_operator_is_compared():
    tested = {name for kind, *_ in CASES for name in (kind, kind.partition(".")[0])}
    names = {name for name in CARRIERS if not name.startswith("python.")} - RANDOM - ELSEWHERE
    left = sorted(name for name in names if name not in tested and name.partition(".")[0] not in tested)
    same = {CARRIERS[name] for name in tested if name in CARRIERS}
    assert [name for name in left if CARRIERS[name] not in same] == []
