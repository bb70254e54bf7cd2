"""The layers that chainrule and PyTorch share under one name, and how their settings correspond.

Both are made with the same keywords, PyTorch's, which chainrule accepts as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.base.optional import needed
from chainrule.nn.function import Function

from . import layers as torch_layers
from .arrays import Torch
from .state import StateName, load_state_dict, state_dict

EXACT_SOFTPLUS = 40.0
"""From here on log(1 + exp(x)) equals x in float64, so a threshold there changes nothing."""
LEAST_THRESHOLD = 20.0


@dataclass(frozen=True)
class Pair:
    """A layer of both.

    `settings` are keywords and what chainrule calls the attribute, `flags` keywords that say whether there is a
    parameter of that name, `only` what PyTorch's settings must be, as chainrule has no others.
    """

    ours: type
    settings: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the class in both libraries."""
        return self.ours.__name__


def _same(*names: str) -> dict[str, str]:
    return dict(zip(names, names, strict=True))


_CONVOLUTION = _same("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
_RECURRENT = _same("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
_BATCH_NORM = {"num_features": "channels", "eps": "eps", "momentum": "momentum"}
_MAX_POOL = _same("kernel_size", "stride", "padding", "dilation", "ceil_mode")
_AVG_POOL = _same("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
_BIAS, _AFFINE = {"bias": "bias"}, {"affine": "weight"}
_OVER_LAST = _same("normalized_shape", "eps")
_ATTENTION = {"batch_first": True, "_qkv_same_embed_dim": True, "bias_k": None, "add_zero_attn": False}

_ALL = (
    Pair(nn.Linear, _same("in_features", "out_features"), _BIAS),
    Pair(
        nn.Embedding,
        _same("num_embeddings", "embedding_dim"),
        only={"padding_idx": None, "max_norm": None, "scale_grad_by_freq": False},
    ),
    Pair(nn.Flatten, {"start_dim": "start_axis", "end_dim": "end_axis"}),
    Pair(nn.Dropout, _same("p")),
    Pair(nn.Conv1d, _CONVOLUTION, _BIAS, {"padding_mode": "zeros"}),
    Pair(nn.Conv2d, _CONVOLUTION, _BIAS, {"padding_mode": "zeros"}),
    Pair(nn.LayerNorm, _OVER_LAST, {"elementwise_affine": "weight", "bias": "bias"}),
    Pair(nn.RMSNorm, _OVER_LAST, {"elementwise_affine": "weight"}),
    Pair(nn.BatchNorm1d, _BATCH_NORM, _AFFINE, {"track_running_stats": True}),
    Pair(nn.BatchNorm2d, _BATCH_NORM, _AFFINE, {"track_running_stats": True}),
    Pair(nn.GroupNorm, {"num_groups": "num_groups", "num_channels": "channels", "eps": "eps"}, _AFFINE),
    Pair(nn.MultiheadAttention, _same("embed_dim", "num_heads", "dropout"), only=_ATTENTION),
    Pair(nn.RNN, _RECURRENT | _same("nonlinearity")),
    Pair(nn.LSTM, _RECURRENT, only={"proj_size": 0}),
    Pair(nn.GRU, _RECURRENT),
    Pair(nn.ReLU),
    Pair(nn.LeakyReLU, _same("negative_slope")),
    Pair(nn.GELU, _same("approximate")),
    Pair(nn.SiLU),
    Pair(nn.Tanh),
    Pair(nn.Sigmoid),
    Pair(nn.Softplus, _same("beta")),
    Pair(nn.ELU, _same("alpha")),
    Pair(nn.Softmax, {"dim": "axis"}),
    Pair(nn.MaxPool1d, _MAX_POOL, only={"return_indices": False}),
    Pair(nn.MaxPool2d, _MAX_POOL, only={"return_indices": False}),
    Pair(nn.AvgPool1d, _AVG_POOL),
    Pair(nn.AvgPool2d, _AVG_POOL | _same("divisor_override")),
)
PAIRS = {pair.name: pair for pair in _ALL}


def made_to_torch(pair: Pair, module: Any, what: str) -> Torch:
    """Return PyTorch's layer for one of chainrule's."""
    torch = needed("torch", "to_torch")
    if isinstance(module, Function):
        settings = {"dim" if name == "axis" else name: value for name, value in module.settings.items()}
    else:
        settings = {keyword: getattr(module, name) for keyword, name in pair.settings.items()}
        settings |= {keyword: getattr(module, name, None) is not None for keyword, name in pair.flags.items()}
    cls = getattr(torch.nn, pair.name)
    if pair.ours is nn.Softmax:
        settings.setdefault("dim", -1)
    if pair.ours is nn.Softplus:
        settings["threshold"] = EXACT_SOFTPLUS
    if pair.ours is nn.MultiheadAttention:
        cls = torch_layers.MultiheadAttention
        settings |= {"bias": module.query.bias is not None, "batch_first": True}
    # A recurrent layer with one level cannot use dropout, and PyTorch's would warn.
    late = {"dropout": settings.pop("dropout")} if settings.get("num_layers") == 1 else {}
    with torch.device("meta"):  # neither drawn nor allocated: the state dict provides all
        made = cls(**settings)
    made.__dict__.update(late)
    try:
        made.load_state_dict(state_dict(module), assign=True)
    except RuntimeError as error:
        raise ValueError(f"{what}: {error}") from None
    return made.train(module.training)


def made_from_torch(pair: Pair, module: Torch, what: str) -> nn.Module:
    """Return chainrule's layer for one of PyTorch's."""
    for name, wanted in pair.only.items():
        if getattr(module, name) != wanted:
            raise ValueError(f"{what}: {name}: expected {wanted!r}, which chainrule has, got {getattr(module, name)!r}")
    settings = {keyword: getattr(module, keyword) for keyword in pair.settings}
    settings |= {keyword: getattr(module, name, None) is not None for keyword, name in pair.flags.items()}
    _settle(pair, module, settings, what)
    dtypes = {p.dtype for p in (*module.parameters(), *module.buffers()) if p.dtype.is_floating_point}
    if dtypes:
        settings["dtype"] = _dtype(dtypes, what)
    without_bias = pair.ours is nn.LayerNorm and not settings.pop("bias")
    made: Any = pair.ours(**settings)
    if without_bias:
        made.bias = None
    load_state_dict(made, module.state_dict())
    return made.train(module.training)  # type: ignore[no-any-return]


def _settle(pair: Pair, module: Torch, settings: dict[str, Any], what: str) -> None:
    """Write out what PyTorch leaves open, and refuse what chainrule does not have."""
    if pair.ours is nn.MultiheadAttention:
        settings["bias"] = module.in_proj_bias is not None
    if pair.ours is nn.RMSNorm and settings["eps"] is None:
        if module.weight is None:
            raise ValueError(f"{what}: eps: got None, which depends on the dtype of each input; set layer.eps first")
        settings["eps"] = needed("torch", "from_torch").finfo(module.weight.dtype).eps
    unknown = [name for name in ("momentum", "dim") if name in settings and settings[name] is None]
    if unknown:
        raise ValueError(f"{what}: {unknown[0]}: got None, expected a number; set layer.{unknown[0]} first")
    if pair.ours is nn.Softplus and module.threshold < LEAST_THRESHOLD:
        raise ValueError(f"{what}: threshold: expected {LEAST_THRESHOLD} or more, got {module.threshold}")


def _dtype(dtypes: set[Any], what: str) -> Any:
    names = {str(dtype).removeprefix("torch.") for dtype in dtypes}
    if len(names) > 1 or not names <= {"float64", "float32", "float16"}:
        raise ValueError(
            f"{what}: expected parameters in one of float64, float32, float16, got {', '.join(sorted(names))}; convert "
            "it first, with .float()"
        )
    return np.dtype(names.pop())


def identical(what: str, entry: StateName) -> None:
    """Raise a ValueError where some arrays that PyTorch holds as one are frozen and others are not."""
    if len({value.requires_grad for value in entry.values}) > 1:
        raise ValueError(
            f"{what}: {', '.join(entry.ours)} are one parameter in PyTorch, but only some are frozen; freeze all or "
            "none"
        )
