"""What random programs are made of."""

# ruff: noqa: E501 - one model a line reads best

from collections.abc import Callable, Sequence
from typing import Any

Draw = Callable[[Any], str]


def _each(*templates: str) -> list[Draw]:
    """Return draws of expressions of one value, `A`."""
    return [lambda pick, t=t: t.replace("A", pick.float()) for t in templates]  # type: ignore[misc]


def _pairs(*templates: str) -> list[Draw]:
    """Return draws of expressions of two values, `A` and `B`."""
    return [lambda pick, t=t: t.replace("A", pick.float()).replace("B", pick.float()) for t in templates]  # type: ignore[misc]


def _along(*templates: str) -> list[Draw]:
    """Return draws of expressions of a value `A` along an axis `K`."""

    def draw(template: str) -> Draw:
        def one(pick: Any) -> str:
            name = pick.float(least=1)
            return template.replace("A", name).replace("K", str(pick.axis(name)))

        return one

    return [draw(t) for t in templates]


UNARY: Sequence[Draw] = [
    *_each(
        "np.tanh(A)", "np.sin(A)", "np.exp(-np.abs(A))", "np.sqrt(np.abs(A) + 1)", "np.log1p(A * A)", "1 / (1 + A**2)"
    ),
    *_each(
        "A ** 2", "A ** 3", "-A", "abs(A)", "np.maximum(A, 0.1)", "np.clip(A, -0.5, 0.5)", "2 - A", "A / 3", "A * 0.5"
    ),
    *_each("np.where(A > 0, A, 0.5 * A)", "F.gelu(A)", "F.silu(A)", "F.relu(A)", "F.softplus(A)", "F.leaky_relu(A)"),
    *_each("F.elu(A)", "F.hardtanh(A)", "F.sigmoid(A)", "np.floor(A * 3)", "np.sign(A)", "np.arctan(A)", "np.cbrt(A)"),
    *_each(
        "np.square(A)", "np.reciprocal(A * A + 1)", "np.positive(A)", "A.astype(np.float64)", "A.astype(np.float32)"
    ),
    *_each(
        "cr.stop_gradient(A)", "A.copy()", "np.nan_to_num(A)", "A * A > 0.3", "(A * 4).astype(int)", "A <= A.mean()"
    ),
    *_each("A.sum()", "A.mean()", "np.prod(np.tanh(A))", "A.max()", "np.std(A)", "np.linalg.norm(A)", "A.reshape(-1)"),
    *_each("A.T", "A[None]", "A[..., None]", "np.ravel(A)", "np.squeeze(A)", "np.trace(A)", "np.triu(A)", "np.diag(A)"),
    *_each(
        "np.full_like(A, 2)",
        "np.zeros_like(A)",
        "np.broadcast_to(A, (2, *A.shape))",
        "np.isfinite(A)",
        "cr.rand(3) * A",
    ),
    *_each(
        "np.count_nonzero(A > 0)", "np.median(A)", "np.ptp(A)", "np.cov(A)", "A @ A.T", "np.var(A)", "np.average(A)"
    ),
    *_along("A.sum(axis=K)", "A.mean(axis=K)", "A.sum(axis=K, keepdims=True)", "A.max(axis=K)", "np.min(A, axis=K)"),
    *_along(
        "np.cumsum(A, axis=K)",
        "np.sort(A, axis=K)",
        "np.argsort(A, axis=K)",
        "np.argmax(A, axis=K)",
        "np.flip(A, axis=K)",
    ),
    *_along(
        "F.softmax(A, K)",
        "F.log_softmax(A, K)",
        "cr.logsumexp(A, axis=K)",
        "np.var(A, axis=K)",
        "np.roll(A, 1, axis=K)",
    ),
    *_along("np.diff(A, axis=K)", "np.repeat(A, 2, axis=K)", "np.expand_dims(A, K)", "np.moveaxis(A, K, 0)"),
    *_along("np.concatenate([A, A], axis=K)", "np.stack([A, 2 * A], axis=K)", "np.take(A, [0, 0, 1], axis=K)"),
    *_along(
        "A - A.mean(axis=K, keepdims=True)", "A / (1 + np.abs(A).sum(axis=K, keepdims=True))", "np.median(A, axis=K)"
    ),
    *_along(
        "np.take_along_axis(A, np.argsort(A, axis=K), axis=K)", "np.partition(A, 1, axis=K)", "np.nansum(A, axis=K)"
    ),
    *_along("2:np.split(A, 2, axis=K)", "np.percentile(A, 30, axis=K)", "np.cumprod(np.tanh(A), axis=K)"),
]
BINARY: Sequence[Draw] = [
    *_pairs("A + B", "A - B", "A * B", "A / (1 + B**2)", "np.maximum(A, B)", "np.minimum(A, B)", "np.hypot(A, B + 1)"),
    *_pairs(
        "np.where(A > B, A, B)",
        "A @ B",
        "A @ B.T",
        "A.T @ B",
        "np.dot(A, B)",
        "np.outer(A, B)",
        "np.arctan2(A, 1 + B**2)",
    ),
    *_pairs(
        "np.concatenate([A, B])", "np.stack([A, B])", "np.einsum('ij,jk->ik', A, B)", "np.einsum('ij,ij->i', A, B)"
    ),
    *_pairs("np.logaddexp(A, B)", "(1 + A**2) ** B", "A < B", "A + B.sum()", "np.tensordot(A, B, 1)", "np.inner(A, B)"),
    *_pairs(
        "np.where(B > 0, A, 0)",
        "A * (B > 0)",
        "np.copysign(A, B)",
        "np.vdot(A, B)",
        "np.kron(A, B)",
        "np.array([A, B])",
    ),
    *_pairs(
        "np.fmax(A, B)",
        "np.linalg.solve(A @ A.T + 3 * np.eye(len(A)), B)",
        "np.convolve(A, B)",
        "np.searchsorted(np.sort(A), B)",
    ),
]


def _indexed(pick: Any) -> str:
    name = pick.float(least=1)
    index = pick.of("0", "-1", "1:", ":-1", "::-1", "::2", "..., 0", "..., 1:", "[0, 1]", "None", "[1, 0, 1]", "...")
    return f"{name}[{index}]"


def _gathered(pick: Any) -> str:
    if pick.of(True, False):
        return f"np.take({pick.float(least=1)}, np.clip({pick.whole()}, 0, 1), axis=0)"
    return f"{pick.float(least=1)}[np.clip({pick.whole()}, 0, 1)]"


def _scattered(pick: Any) -> str:
    name = pick.float(least=1)
    return (
        f"{name}.at[{pick.of('0', '-1', '1:', '[0, 1]')}].{pick.of('set', 'add')}({pick.of('0.5', pick.float(ndim=0))})"
    )


def _masked(pick: Any) -> str:
    return f"np.where({pick.mask()}, {pick.float()}, {pick.of(pick.float(), '0.0')})"


def _of_whole(pick: Any) -> str:
    t = pick.of(
        "A + 1", "A * A", "np.eye(3)[np.clip(A, 0, 2)]", "A % 2 == 0", "A.sum()", "A * 0.5", "-A", "A // 2", "np.abs(A)"
    )
    return str(t).replace("A", pick.whole())


def _of_masks(pick: Any) -> str:
    t = pick.of(
        "~A",
        "A.sum()",
        "A & B",
        "np.logical_or(A, B)",
        "A * C",
        "A.any()",
        "A.astype(np.float32)",
        "np.all(A)",
        "A ^ B",
    )
    return str(t).replace("A", pick.mask()).replace("B", pick.mask()).replace("C", pick.float())


def _layer(pick: Any) -> str:
    name = pick.float(least=1)
    return f"F.layer_norm({name}, {name}.shape[-1:])"


def _dropped(pick: Any) -> str:
    return pick.of("F.dropout(A, 0.4)", "cr.checkpoint(lambda a: F.dropout(np.tanh(a), 0.4) * a)(A)").replace(
        "A", pick.float()
    )


def _attended(pick: Any) -> str:
    name = pick.float(least=2)
    return f"F.scaled_dot_product_attention({name}, {name}, {pick.float(least=2)})"


OTHERS: Sequence[Draw] = [
    *(
        _indexed,
        _indexed,
        _indexed,
        _gathered,
        _gathered,
        _scattered,
        _masked,
        _masked,
        _of_whole,
        _of_whole,
        _of_whole,
    ),
    *(_of_masks, _of_masks, _layer, _dropped, _attended),
]

_ROWS = "rows(SEED, BATCH, 4, dtype=DTYPE)"
_CLASSES = "whole(SEED, 3, BATCH)"
MODELS: Sequence[tuple[str, tuple[str, ...], str]] = [
    ("{m} = nn.Sequential(nn.Linear(4, 6, dtype={d}), nn.{act}(), nn.Linear(6, 3, dtype={d}))", (_ROWS,), _CLASSES),
    ("{m} = nn.Sequential(nn.Linear(4, 3, bias=False, dtype={d}))", (_ROWS,), _CLASSES),
    (
        "{m} = nn.Sequential(nn.Linear(4, 6, dtype={d}), nn.BatchNorm1d(6, dtype={d}), nn.{act}(), nn.Dropout({p}), "
        "nn.Linear(6, 3, dtype={d}))",
        (_ROWS,),
        _CLASSES,
    ),
    (
        "{m} = nn.Sequential(nn.LayerNorm(4, dtype={d}), nn.Linear(4, 6, dtype={d}), nn.{act}(), nn.RMSNorm(6, dtype={d}), "
        "nn.GroupNorm(2, 6, dtype={d}), nn.Linear(6, 3, dtype={d}))",
        (_ROWS,),
        _CLASSES,
    ),
    (  # weights that are shared, by a layer that comes twice and by a parameter of two layers
        "{m} = nn.Sequential(nn.Linear(4, 4, dtype={d}), nn.{act}(), nn.Linear(4, 4, dtype={d}), nn.Linear(4, 3, dtype={d})); "
        "{m}[2].weight = {m}[0].weight",
        (_ROWS,),
        _CLASSES,
    ),
    (  # a part that is frozen
        "{m} = nn.Sequential(nn.Linear(4, 6, dtype={d}), nn.{act}(), nn.Linear(6, 3, dtype={d})); "
        "{m}[0].bias.requires_grad_(False)",
        (_ROWS,),
        _CLASSES,
    ),
    ("{m} = nn.Sequential(nn.Embedding(5, 4, dtype={d}), nn.Flatten(), nn.Linear(12, 3, dtype={d}))", ("whole(SEED, 5, BATCH, 3)",), _CLASSES),
    (
        "{m} = nn.Sequential(nn.Conv2d(1, 2, 3, dtype={d}), nn.BatchNorm2d(2, dtype={d}), nn.{act}(), nn.MaxPool2d(2), "
        "nn.Flatten(), nn.Linear(8, 3, dtype={d}))",
        ("rows(SEED, BATCH, 1, 6, 6, dtype=DTYPE)",),
        _CLASSES,
    ),
    (
        "{m} = nn.Sequential(nn.Conv1d(2, 3, 2, dtype={d}), nn.AvgPool1d(2), nn.{act}(), nn.Flatten(), nn.Linear(6, 3, dtype={d}))",
        ("rows(SEED, BATCH, 2, 5, dtype=DTYPE)",),
        _CLASSES,
    ),
    (
        "{m} = nn.Sequential(nn.TransformerBlock(4, 2, dropout={p}, dtype={d}), nn.Flatten(), nn.Linear(12, 3, dtype={d}))",
        ("rows(SEED, BATCH, 3, 4, dtype=DTYPE)",),
        _CLASSES,
    ),
    ("{m} = nn.Sequential(Recurrent(nn.{rnn}(4, 3, batch_first=True, dtype={d})))", ("rows(SEED, BATCH, 3, 4, dtype=DTYPE)",), _CLASSES),
    ("{m} = nn.MultiheadAttention(4, 2, dropout={p}, dtype={d})", ("rows(SEED, BATCH, 3, 4, dtype=DTYPE)",), "rows(SEED, BATCH, 3, 4, dtype=DTYPE)"),
    ("{m} = nn.Residual(nn.Linear(4, 4, dtype={d}))", (_ROWS,), "rows(SEED, BATCH, 4, dtype=DTYPE)"),
    ("{m} = nn.Sequential(nn.Linear(4, 1, dtype={d}))", (_ROWS,), "rows(SEED, BATCH, 1, dtype=DTYPE) > 0"),
]  # fmt: skip
ACTIVATIONS = ("ReLU", "Tanh", "GELU", "SiLU", "Sigmoid", "LeakyReLU", "ELU", "Softplus")
LOSSES = (
    "F.cross_entropy(h, t)",
    "F.cross_entropy(h, t, reduction='sum')",
    "F.nll_loss(F.log_softmax(h, 1), t)",
    "F.mse_loss(h, t)",
    "F.smooth_l1_loss(h, t)",
    "F.binary_cross_entropy_with_logits(h, t.astype(h.dtype))",
    "(h ** 2).mean()",
    "(F.sigmoid(h) - 0.3).sum()",
    "F.cross_entropy(h, t, label_smoothing=0.1)",
    "F.cross_entropy(h, t, weight=np.array([1.0, 0.5, 2.0], h.dtype))",
    "F.cross_entropy(h, t, ignore_index=1)",
    "F.huber_loss(h, t)",
    "F.l1_loss(h, 2 * t)",
    "((h - h.mean(axis=0)) ** 2).mean() + 0 * h.sum()",
)
OPTIMIZERS = (
    ("SGD", "lr=0.1"),
    ("SGD", "lr=0.05, momentum=0.9"),
    ("SGD", "lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01"),
    ("Adam", "lr=0.01, eps=1e-3"),
    ("AdamW", "lr=0.01, eps=1e-3, weight_decay=0.1"),
    ("Adam", "lr=0.01, eps=1e-3, amsgrad=True"),
    ("RMSprop", "lr=0.01, eps=1e-2"),
    ("RMSprop", "lr=0.01, eps=1e-2, momentum=0.5, centered=True"),
    ("Adagrad", "lr=0.05, eps=1e-2"),
)
SETTINGS = {
    "all": ("lr=0.02", "lr=0.0", "weight_decay=0.1", "weight_decay=0.0", "maximize=True", "maximize=False"),
    "SGD": (
        "momentum=0.5",
        "momentum=0.0, nesterov=False",
        "momentum=0.9",
        "nesterov=True",
        "nesterov=False, dampening=0.5",
    ),
    "Adam": ("amsgrad=True", "amsgrad=False", "betas=(0.5, 0.9)", "eps=0.1"),
    "AdamW": ("amsgrad=True", "betas=[0.5, 0.9]", "eps=0.1"),
    "RMSprop": ("centered=True", "centered=False", "momentum=0.5", "momentum=0.0", "alpha=0.5"),
    "Adagrad": ("lr_decay=0.1", "eps=0.1"),
}
