"""Layers without parameters: activations, pooling, dropout, padding, shapes, and the losses as modules."""

from typing import Any, ClassVar

from . import functional as F
from . import init
from .layers import each, made
from .module import Module


class _Settings(Module):
    """A module that calls a function with the settings given at creation, in PyTorch's order."""

    function: ClassVar[Any]
    settings: ClassVar[dict[str, Any]] = {}
    """The settings with their defaults; a default of `...` must be given."""
    shown: ClassVar[tuple[str, ...]] = ()
    """The settings that `repr` shows also if they have their defaults."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        names = list(self.settings)
        if len(args) > len(names):
            raise TypeError(f"{type(self).__name__}: got {len(args)} arguments, expected at most {len(names)}")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if unknown := set(given) - set(names):
            raise TypeError(f"{type(self).__name__}: got the unexpected arguments {sorted(unknown)}, expected {names}")
        for name, usual in self.settings.items():
            if usual is ... and name not in given:
                raise TypeError(f"{type(self).__name__}: missing the argument {name!r}")
            setattr(self, name, given.get(name, usual))

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.settings}

    def forward(self, input: Any) -> Any:
        """Return the output."""
        return type(self).function(input, **self._values())

    def extra_repr(self) -> str:
        """Return the settings that PyTorch shows, and others that differ from their defaults."""
        values = self._values()
        if values.get("stride", 0) is None and "stride" in self.shown:
            values["stride"] = values["kernel_size"]
        told = {k: v for k, v in values.items() if k in self.shown or v != self.settings[k]}
        order = sorted(told, key=[*self.shown, *self.settings].index)
        return ", ".join(f"{name}={told[name]!r}" for name in order)


def _layer(name: str, function: Any, _base: type = _Settings, **settings: Any) -> Any:
    """Return the class of a layer that calls a function."""
    text = f"The layer of `{getattr(function, '__name__', name)}`."
    return type(
        name,
        (_base,),
        {"function": staticmethod(function), "settings": settings, "__doc__": text, "__module__": __name__},
    )


ReLU, ReLU6 = _layer("ReLU", F.relu, inplace=False), _layer("ReLU6", F.relu6, inplace=False)
SELU, SiLU = _layer("SELU", F.selu, inplace=False), _layer("SiLU", F.silu, inplace=False)
Mish, Hardswish = _layer("Mish", F.mish, inplace=False), _layer("Hardswish", F.hardswish, inplace=False)
Hardsigmoid = _layer("Hardsigmoid", F.hardsigmoid, inplace=False)
LeakyReLU = _layer("LeakyReLU", F.leaky_relu, negative_slope=0.01, inplace=False)
ELU, CELU = _layer("ELU", F.elu, alpha=1.0, inplace=False), _layer("CELU", F.celu, alpha=1.0, inplace=False)
Hardtanh = _layer("Hardtanh", F.hardtanh, min_val=-1.0, max_val=1.0, inplace=False)
Threshold = _layer("Threshold", F.threshold, threshold=..., value=..., inplace=False)
GELU, Softplus = _layer("GELU", F.gelu, approximate="none"), _layer("Softplus", F.softplus, beta=1.0, threshold=20.0)
Sigmoid, Tanh = _layer("Sigmoid", F.sigmoid), _layer("Tanh", F.tanh)
LogSigmoid, Softsign = _layer("LogSigmoid", F.logsigmoid), _layer("Softsign", F.softsign)
Tanhshrink = _layer("Tanhshrink", F.tanhshrink)
Hardshrink, Softshrink = _layer("Hardshrink", F.hardshrink, lambd=0.5), _layer("Softshrink", F.softshrink, lambd=0.5)
GLU = _layer("GLU", F.glu, dim=-1)
Softmax, LogSoftmax = _layer("Softmax", F.softmax, dim=None), _layer("LogSoftmax", F.log_softmax, dim=None)
Softmin = _layer("Softmin", F.softmin, dim=None)


class Softmax2d(Module):
    """Softmax over the channels of images."""

    def forward(self, input: Any) -> Any:
        """Return the probabilities."""
        return F.softmax(input, -3)


class PReLU(Module):
    """x, scaled where it is negative by a learned slope."""

    def __init__(
        self, num_parameters: int = 1, init_: float = 0.25, device: Any = None, dtype: Any = None, **kw: Any
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = made((num_parameters,), dtype)
        init.constant_(self.weight, kw.get("init", init_))

    def extra_repr(self) -> str:
        """Return the number of slopes."""
        return f"num_parameters={self.num_parameters}"

    def forward(self, input: Any) -> Any:
        """Return the output."""
        return F.prelu(input, self.weight)


class _Training(_Settings):
    """A layer that acts in training only."""

    def forward(self, input: Any) -> Any:
        """Return the output."""
        return type(self).function(input, training=self.training, **self._values())


def _dropout(name: str, function: Any) -> Any:
    return _layer(name, function, _Training, p=0.5, inplace=False)


RReLU = _layer("RReLU", F.rrelu, _Training, lower=1 / 8, upper=1 / 3, inplace=False)
Dropout, Dropout1d = _dropout("Dropout", F.dropout), _dropout("Dropout1d", F.dropout1d)
Dropout2d, Dropout3d = _dropout("Dropout2d", F.dropout2d), _dropout("Dropout3d", F.dropout3d)
AlphaDropout = _dropout("AlphaDropout", F.alpha_dropout)
FeatureAlphaDropout = _dropout("FeatureAlphaDropout", F.feature_alpha_dropout)

_MAX: dict[str, Any] = {
    "kernel_size": ..., "stride": None, "padding": 0, "dilation": 1, "return_indices": False, "ceil_mode": False,
}  # fmt: skip
MaxPool1d, MaxPool2d = _layer("MaxPool1d", F.max_pool1d, **_MAX), _layer("MaxPool2d", F.max_pool2d, **_MAX)
MaxPool3d = _layer("MaxPool3d", F.max_pool3d, **_MAX)
_MEAN: dict[str, Any] = {
    "kernel_size": ...,
    "stride": None,
    "padding": 0,
    "ceil_mode": False,
    "count_include_pad": True,
}
AvgPool1d = _layer("AvgPool1d", F.avg_pool1d, **_MEAN)
AvgPool2d = _layer("AvgPool2d", F.avg_pool2d, **_MEAN, divisor_override=None)
AvgPool3d = _layer("AvgPool3d", F.avg_pool3d, **_MEAN, divisor_override=None)
AdaptiveAvgPool1d = _layer("AdaptiveAvgPool1d", F.adaptive_avg_pool1d, output_size=...)
AdaptiveAvgPool2d = _layer("AdaptiveAvgPool2d", F.adaptive_avg_pool2d, output_size=...)
AdaptiveAvgPool3d = _layer("AdaptiveAvgPool3d", F.adaptive_avg_pool3d, output_size=...)
AdaptiveMaxPool1d = _layer("AdaptiveMaxPool1d", F.adaptive_max_pool1d, output_size=..., return_indices=False)
AdaptiveMaxPool2d = _layer("AdaptiveMaxPool2d", F.adaptive_max_pool2d, output_size=..., return_indices=False)
AdaptiveMaxPool3d = _layer("AdaptiveMaxPool3d", F.adaptive_max_pool3d, output_size=..., return_indices=False)
_LP: dict[str, Any] = {"norm_type": ..., "kernel_size": ..., "stride": None, "ceil_mode": False}
LPPool1d, LPPool2d = _layer("LPPool1d", F.lp_pool1d, **_LP), _layer("LPPool2d", F.lp_pool2d, **_LP)


for _layers, _shown in (
    ((LeakyReLU,), ("negative_slope",)),
    ((ELU, CELU), ("alpha",)),
    ((GELU,), ("approximate",)),
    ((Hardtanh,), ("min_val", "max_val")),
    ((Softplus,), ("beta", "threshold")),
    ((RReLU,), ("lower", "upper")),
    ((GLU,), ("dim",)),
    ((Dropout, Dropout1d, Dropout2d, Dropout3d, AlphaDropout, FeatureAlphaDropout), ("p", "inplace")),
    ((MaxPool1d, MaxPool2d, MaxPool3d), ("kernel_size", "stride", "padding", "dilation", "ceil_mode")),
    ((AvgPool1d, AvgPool2d, AvgPool3d), ("kernel_size", "stride", "padding")),
):
    for _each in _layers:
        _each.shown = _shown


class _MaxUnpool(Module):
    axes: ClassVar[int]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """Return the elements at the places they were taken from."""
        function = getattr(F, f"max_unpool{self.axes}d")
        return function(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpool):
    """The inverse of max pooling."""

    axes = 1


class MaxUnpool2d(_MaxUnpool):
    """The inverse of max pooling."""

    axes = 2


Upsample = _layer(
    "Upsample",
    F.interpolate,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
)
UpsamplingNearest2d = _layer("UpsamplingNearest2d", F.upsample_nearest, size=None, scale_factor=None)
UpsamplingBilinear2d = _layer("UpsamplingBilinear2d", F.upsample_bilinear, size=None, scale_factor=None)
PixelShuffle = _layer("PixelShuffle", F.pixel_shuffle, upscale_factor=...)
PixelUnshuffle = _layer("PixelUnshuffle", F.pixel_unshuffle, downscale_factor=...)
ChannelShuffle = _layer("ChannelShuffle", F.channel_shuffle, groups=...)
LocalResponseNorm = _layer("LocalResponseNorm", F.local_response_norm, size=..., alpha=1e-4, beta=0.75, k=1.0)
_WINDOW: dict[str, Any] = {"kernel_size": ..., "dilation": 1, "padding": 0, "stride": 1}
Unfold, Fold = _layer("Unfold", F.unfold, **_WINDOW), _layer("Fold", F.fold, output_size=..., **_WINDOW)
Unfold.shown = Fold.shown = ("output_size", "kernel_size", "dilation", "padding", "stride")


class CosineSimilarity(Module):
    """The cosine of the angle between vectors."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Any, x2: Any) -> Any:
        """Return the cosine."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of the difference of rows."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Any, x2: Any) -> Any:
        """Return the distances."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class Flatten(Module):
    """Axes from one to another as a single axis."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        """Return the flat input."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis as several."""

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Any) -> Any:
        """Return the input with more axes."""
        return input.unflatten(self.dim, self.unflattened_size)


# Padding


class _Pad(Module):
    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float | None = None

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = each(padding, 2 * self.axes)

    def forward(self, input: Any) -> Any:
        """Return the padded input."""
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """Return the margins."""
        return str(self.padding)


def _pads(name: str, mode: str) -> list[Any]:
    return [
        type(
            f"{name}{k}d",
            (_Pad,),
            {"axes": k, "mode": mode, "__doc__": f"Margins by {mode} elements.", "__module__": __name__},
        )
        for k in (1, 2, 3)
    ]


ZeroPad1d, ZeroPad2d, ZeroPad3d = _pads("ZeroPad", "constant")
ReflectionPad1d, ReflectionPad2d, ReflectionPad3d = _pads("ReflectionPad", "reflect")
ReplicationPad1d, ReplicationPad2d, ReplicationPad3d = _pads("ReplicationPad", "replicate")
CircularPad1d, CircularPad2d, CircularPad3d = _pads("CircularPad", "circular")


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value


class ConstantPad1d(_ConstantPad):
    """Margins of one value."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """Margins of one value."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """Margins of one value."""

    axes = 3


# Losses


class _Loss(_Settings):
    """A loss: settings at creation, predictions and targets in the call."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("weight", "pos_weight"):
            if name in self.settings:
                value = getattr(self, name)
                object.__delattr__(self, name)
                self.register_buffer(name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the loss of predictions and targets, which may be given by the function's names."""
        return type(self).function(*args, **kwargs, **self._values())

    def extra_repr(self) -> str:
        """Return nothing, as PyTorch."""
        return ""


_OLD: dict[str, Any] = {"size_average": None, "reduce": None, "reduction": "mean"}


def _loss(name: str, function: Any, **settings: Any) -> Any:
    return _layer(name, function, _Loss, **settings)


MSELoss, L1Loss = _loss("MSELoss", F.mse_loss, **_OLD), _loss("L1Loss", F.l1_loss, **_OLD)
SmoothL1Loss = _loss("SmoothL1Loss", F.smooth_l1_loss, **_OLD, beta=1.0)
HuberLoss = _loss("HuberLoss", F.huber_loss, reduction="mean", delta=1.0)
CrossEntropyLoss = _loss(
    "CrossEntropyLoss", F.cross_entropy,
    weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0,
)  # fmt: skip
NLLLoss = _loss("NLLLoss", F.nll_loss, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean")
NLLLoss2d = NLLLoss
BCELoss = _loss("BCELoss", F.binary_cross_entropy, weight=None, **_OLD)
BCEWithLogitsLoss = _loss("BCEWithLogitsLoss", F.binary_cross_entropy_with_logits, weight=None, **_OLD, pos_weight=None)
KLDivLoss = _loss("KLDivLoss", F.kl_div, **_OLD, log_target=False)
PoissonNLLLoss = _loss(
    "PoissonNLLLoss", F.poisson_nll_loss,
    log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean",
)  # fmt: skip
GaussianNLLLoss = _loss("GaussianNLLLoss", F.gaussian_nll_loss, full=False, eps=1e-6, reduction="mean")
HingeEmbeddingLoss = _loss("HingeEmbeddingLoss", F.hinge_embedding_loss, margin=1.0, **_OLD)
SoftMarginLoss = _loss("SoftMarginLoss", F.soft_margin_loss, **_OLD)
MarginRankingLoss = _loss("MarginRankingLoss", F.margin_ranking_loss, margin=0.0, **_OLD)
MultiMarginLoss = _loss("MultiMarginLoss", F.multi_margin_loss, p=1, margin=1.0, weight=None, **_OLD)
MultiLabelMarginLoss = _loss("MultiLabelMarginLoss", F.multilabel_margin_loss, **_OLD)
MultiLabelSoftMarginLoss = _loss("MultiLabelSoftMarginLoss", F.multilabel_soft_margin_loss, weight=None, **_OLD)
TripletMarginLoss = _loss("TripletMarginLoss", F.triplet_margin_loss, margin=1.0, p=2.0, eps=1e-6, swap=False, **_OLD)
TripletMarginWithDistanceLoss = _loss(
    "TripletMarginWithDistanceLoss", F.triplet_margin_with_distance_loss,
    distance_function=None, margin=1.0, swap=False, reduction="mean",
)  # fmt: skip
CosineEmbeddingLoss = _loss("CosineEmbeddingLoss", F.cosine_embedding_loss, margin=0.0, **_OLD)
CTCLoss = _loss("CTCLoss", F.ctc_loss, blank=0, reduction="mean", zero_infinity=False)
