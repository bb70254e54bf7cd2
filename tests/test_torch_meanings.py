"""What PyTorch's users write: the same values here, or an error, or a warning that names the difference.

The calls run in both libraries with the same arguments. `x`, `s`, `v`, `c` are arrays of 2, 2 (square), 1 and 3 axes.
"""

import pickle
import re
import warnings
from importlib import import_module
from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from tests.named import named, walked

import chainrule as cr
from chainrule.nn import functional
from chainrule.rules.meanings.functions import NEAREST, OTHERS
from chainrule.rules.meanings.names import NAMES

RNG = np.random.default_rng(0)
ARRAYS = {
    "x": np.array([[1.5, -2.0, 0.25], [3.0, 0.5, -1.0]]),
    "s": np.array([[1.0, 2.0, 0.5], [0.0, 3.0, -1.0], [2.0, 1.0, 4.0]]),
    "v": np.array([3.0, 1.0, 2.0]),
    "c": RNG.normal(size=(2, 4, 4)),
    "p": np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]),
    "q": np.array([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6], [0.1, 0.1, 0.8]]),
    "i": np.array([0, 2, 1]),
    "k": np.array([[0, 2, 1], [1, 1, 0]]),
    "j": np.array([[0, 3, 1, 2], [2, 2, 0, 1]]),
    "d": RNG.normal(size=(2, 3, 5, 5)),
    "n": RNG.integers(0, 3, (2, 5, 5)),
}
WARNED = [
    *("x.transpose(0, 1)", "s.transpose(0, 1)", "s.transpose(-2, -1)"),
    *("v.repeat(2)", "x.repeat(2, 1)", "s.repeat(2, 1)", "v.repeat(3, 0)"),
    *("x.std()", "x.var()", "x.std(0)", "x.var(1)"),
    *("pair(x.max(1))", "pair(x.min(1))"),
    *("F.linear(s, s)", "F.linear(s, s, v)", "F.linear(x, s)"),
    *("F.softmax(c)", "F.softmax(d)", "F.log_softmax(c)"),
    *("F.cross_entropy(c, j)", "F.cross_entropy(c, c)", "F.nll_loss(c, j)"),
]
"""The calls that run and mean something else."""
SAME = [
    *(
        "x.transpose(1, 0)",
        "x.T",
        "c.mT",
        "x.swapaxes(0, 1)",
        "x.reshape(3, 2)",
        "x.reshape(-1)",
        "x.flatten()",
        "x.ravel()",
    ),
    *(
        "x.squeeze()",
        "x.shape",
        "x.ndim",
        "len(x)",
        "x.repeat(1, 1)",
        "v.repeat(1)",
        "x.std(correction=1)",
        "x.var(correction=0)",
    ),
    *(
        "x.sum()",
        "x.sum(0)",
        "x.sum(-1)",
        "x.mean()",
        "x.mean(1)",
        "x.prod()",
        "x.prod(0)",
        "x.cumsum(0)",
        "x.cumprod(1)",
    ),
    *(
        "x.max()",
        "x.min()",
        "x.argmax()",
        "x.argmax(1)",
        "x.argmin(0)",
        "x.any()",
        "x.all()",
        "x.any(0)",
        "v.argsort()",
    ),
    *(
        "x.clip(0, 1)",
        "x.clip(min=0)",
        "x.abs()",
        "x.exp()",
        "s.square()",
        "x.sin()",
        "x.tanh()",
        "x.sign()",
        "x.floor()",
    ),
    *("x.round()", "x % 2", "x // 2", "x**2", "v.dot(v)", "v @ v", "s @ s", "s.trace()", "s.diagonal()", "x.take(i)"),
    *("x[0]", "x[:, 0]", "x[x > 0]", "x[..., None]", "x.tolist()", "v[0].item()", "x.detach()"),
    *("F.softmax(s)", "F.softmax(c, 1)", "F.softmax(c, dim=-1)", "F.log_softmax(s, 1)", "F.softmax(v)"),
    *("F.cross_entropy(s, i)", "F.cross_entropy(s, p)", "F.cross_entropy(s[0], i[0])", "F.nll_loss(s, i)"),
    *("F.kl_div(p.log(), q)", "F.kl_div(p.log(), q.log(), log_target=True)", "F.kl_div(p, q)"),
    *(
        "F.mse_loss(s, p)",
        "F.mse_loss(s, p, reduction='sum')",
        "F.l1_loss(s, p)",
        "F.huber_loss(s, p)",
        "F.smooth_l1_loss(s, p)",
    ),
    *("F.binary_cross_entropy(p, q)", "F.binary_cross_entropy_with_logits(s, q)", "F.gaussian_nll_loss(s, p, q)"),
    *("F.normalize(s)", "F.normalize(c)", "F.normalize(v, dim=0)", "F.normalize(s, 1, 0)", "F.cosine_similarity(s, p)"),
    *("F.pairwise_distance(s, p)", "F.layer_norm(s, (3,))", "F.layer_norm(c, (4, 4))", "F.layer_norm(s, (3,), v, v)"),
    *(
        "F.rms_norm(s, (3,))",
        "F.batch_norm(s, v, p[0])",
        "F.batch_norm(d, v, p[0])",
        "F.group_norm(d, 3)",
        "F.instance_norm(d)",
    ),
    *(
        "F.dropout(s, 0.0)",
        "F.dropout(s, 0.5, False)",
        "F.embedding(i, p)",
        "F.glu(c)",
        "F.prelu(s, v)",
        "F.pad(s, (1, 2))",
    ),
    *(
        "F.max_pool2d(d, 2)",
        "F.avg_pool2d(d, 3, 2, 1)",
        "F.scaled_dot_product_attention(c, c, c)",
        "F.threshold(s, 0.1, 20)",
    ),
    *("cr.cat([x, x])", "cr.cat([x, x], 1)", "cr.stack([x, x], 1)", "cr.softmax(s, 1)", "cr.logsumexp(s, 1)"),
    *("cr.where(x > 0, x, 0.0)", "cr.matmul(s, s)", "cr.einsum('ij->ji', x)", "cr.zeros(2, 3)", "cr.full((2,), 3.0)"),
]
"""The calls that mean the same."""
REFUSED = [
    *(
        "c.transpose(0, 1)",
        "c.transpose(-1, -2)",
        "x.repeat(2, 2, 1)",
        "x.repeat((2, 1))",
        "x.repeat(2, 3)",
        "s.repeat(1, 2)",
        "x.size()",
    ),
    *(
        "x.size(0)",
        "x.sum(dim=0)",
        "x.sum(0, True)",
        "x.mean(0, keepdim=True)",
        "x.std(unbiased=False)",
        "x.std(0, True)",
    ),
    *("x.var(False)", "x.max(dim=0)", "x.max(0).values", "x.sort(dim=0)", "x.sort(descending=True)", "x.argmax(dim=1)"),
    *(
        "x.argmax(0, True)",
        "x.cumsum(dim=1)",
        "x.all(dim=1)",
        "c.flatten(1)",
        "c.flatten(0, 1)",
        "c.flatten(start_dim=1)",
    ),
    *("pair(s.max(0))", "pair(v.max(0))", "x.clamp(0, 1)", "x.norm()", "x.median()", "x.view(-1)", "x.expand(2, 2, 3)"),
    *("x.exp_()", "x.add_(1)", "x.zero_()", "x.log1p()", "F.linear(v, x)", "F.linear(c, c[0][:2])", "F.mse_loss(s, v)"),
    *("F.kl_div(q, p.log())", "F.cross_entropy(d, n)", "F.l1_loss(s, v)", "F.mse_loss(s, p, False)"),
]
"""The calls that run in PyTorch and are errors here."""


def pair(values_and_indices: Any) -> Any:
    return values_and_indices


def environment(library: Any, namespace: Any, make: Any) -> dict[str, Any]:
    return {"cr": library, "F": namespace, "np": np, **{name: make(array) for name, array in ARRAYS.items()}}


def run(source: str, names: dict[str, Any]) -> tuple[Any, list[Any]]:
    """The value of an expression and the warnings of it; `pair(…)` is written as an assignment to two names."""
    body = re.sub(r"^pair\((.*)\)$", r"a, b = \1; result = [a, b]", source)
    code = body if body != source else f"result = {source}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(code, "<written by a user>", "exec"), names)
    return plain(names["result"]), [w for w in caught if issubclass(w.category, cr.PyTorchMeaningWarning)]


def plain(y: Any) -> Any:
    if isinstance(y, tuple | list):
        return [plain(part) for part in y]
    y = y.detach() if hasattr(y, "detach") else y
    return np.asarray(y.numpy() if hasattr(y, "numpy") else y)


def same(got: Any, expected: Any) -> bool:
    if isinstance(got, list) or isinstance(expected, list):
        return isinstance(got, list) and isinstance(expected, list) and all(map(same, got, expected))
    return got.shape == expected.shape and np.allclose(got.astype(float), expected.astype(float), rtol=1e-5, atol=1e-7)


def ours() -> dict[str, Any]:
    def make(a: Any) -> Any:
        return cr.tensor(a, requires_grad=a.dtype.kind == "f")

    return environment(cr, functional, make)


def theirs(torch: Any) -> dict[str, Any]:
    return environment(torch, torch.nn.functional, torch.tensor)


@walked("source", SAME)
def test_a_call_of_the_same_meaning(torch, source):
    got, said = run(source, ours())
    expected, _ = run(source, theirs(torch))
    assert same(got, expected), f"{source}: got {got}, PyTorch gives {expected}"
    assert not said


@walked("source", WARNED)
def test_a_call_of_another_meaning_warns_and_says_what_to_write(torch, source):
    got, said = run(source, ours())
    expected, _ = run(source, theirs(torch))
    assert not same(got, expected), f"{source} is the same: there is nothing to warn of"
    assert len(said) == 1
    assert said[0].filename == "<written by a user>"
    assert "PyTorch" in str(said[0].message)
    assert "write " in str(said[0].message)


@walked("source", REFUSED)
def test_a_call_that_is_refused(torch, source):
    run(source, theirs(torch))
    with pytest.raises((TypeError, ValueError, AttributeError, IndexError)) as caught:
        run(source, ours())
    assert re.search(r"write|expected|PyTorch|axis|at.*set", str(caught.value)), caught.value


def test_the_table_is_long_enough():
    assert len(SAME) + len(WARNED) + len(REFUSED) > 150


SILENT = [
    *(
        "x.transpose(*[0, 1])",
        "np.transpose(x, (0, 1))",
        "x.transpose((0, 1))",
        "x.repeat(2, axis=1)",
        "np.repeat(v, 2)",
    ),
    *(
        "x.std(ddof=0)",
        "np.std(x)",
        "x.std(axis=0, ddof=1)",
        "x.max(0)",
        "x.max(axis=1)",
        "np.sort(x)",
        "np.sort(x, axis=0)",
    ),
    *("pair(x.max(axis=1))", "x.repeat(2)", "s @ s + v", "F.softmax(c, axis=-1)", "F.cross_entropy(c, j, axis=1)"),
    *(
        "F.cross_entropy(c, j, axis=-1)",
        "cr.nn.Linear(3, 3)(x.astype(np.float32))",
        "cr.softmax(c)",
        "F.linear(x, s[:, :2])",
    ),
]


@walked("source", SILENT)
def test_what_says_which_it_means_is_silent(source):
    assert not run(source, ours())[1]


def test_functions_of_numpy_under_a_transform_are_silent():
    x = ARRAYS["x"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cr.grad(lambda x: x.std() + x.var(1).sum() + x.transpose(0, 1).sum() + x.repeat(2, 1).sum())(x)
        cr.jvp(lambda x: x.std(), (x,), (x,))


def test_once_for_each_line_and_silenced_by_the_usual_filters():
    x = cr.tensor(ARRAYS["x"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            x.std()
        x.std()
    assert len(caught) == 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=cr.PyTorchMeaningWarning)
        x.std()
    assert not caught


HINTS = {
    "unflatten": ("x.unflatten(1, (3, 1))", "x.reshape(2, 3, 1)"),
    "view_as": ("x.view_as(x)", "x.reshape(x.shape)"),
    "reshape_as": ("x.reshape_as(x)", "x.reshape(x.shape)"),
    "unsqueeze": ("x.unsqueeze(-1)", "np.expand_dims(x, -1)"),
    "permute": ("c.permute(1, 0, 2)", "c.transpose(1, 0, 2)"),
    "t": ("x.t()", "x.T"),
    "H": ("x.H", "x.mT"),
    "swapdims": ("c.swapdims(0, 1)", "c.swapaxes(0, 1)"),
    "movedim": ("c.movedim(0, 1)", "np.moveaxis(c, 0, 1)"),
    "expand": ("v.expand(2, 3)", "np.broadcast_to(v, (2, 3))"),
    "expand_as": ("v.expand_as(x)", "np.broadcast_to(v, x.shape)"),
    "repeat_interleave": ("x.repeat_interleave(2, dim=0)", "x.repeat(2, axis=0)"),
    "dim": ("x.dim()", "x.ndim"),
    "numel": ("x.numel()", "x.size"),
    "nelement": ("x.nelement()", "x.size"),
    "clamp": ("x.clamp(0, 1)", "x.clip(0, 1)"),
    "clamp_min": ("x.clamp_min(0)", "x.clip(0, None)"),
    "clamp_max": ("x.clamp_max(1)", "x.clip(None, 1)"),
    "pow": ("x.pow(2)", "x ** 2"),
    "add": ("x.add(2)", "x + 2"),
    "sub": ("x.sub(2)", "x - 2"),
    "mul": ("x.mul(2)", "x * 2"),
    "div": ("x.div(2)", "x / 2"),
    "true_divide": ("x.true_divide(2)", "x / 2"),
    "neg": ("x.neg()", "-x"),
    "rsqrt": ("v.rsqrt()", "1 / np.sqrt(v)"),
    "frac": ("x.frac()", "x - np.trunc(x)"),
    "lerp": ("x.lerp(v, 0.25)", "x + 0.25 * (v - x)"),
    "addcmul": ("x.addcmul(x, v, value=2)", "x + 2 * x * v"),
    "addcdiv": ("x.addcdiv(x, v, value=2)", "x + 2 * x / v"),
    "eq": ("x.eq(3)", "x == 3"),
    "ne": ("x.ne(3)", "x != 3"),
    "lt": ("x.lt(1)", "x < 1"),
    "le": ("x.le(1)", "x <= 1"),
    "gt": ("x.gt(1)", "x > 1"),
    "ge": ("x.ge(1)", "x >= 1"),
    "sigmoid": ("x.sigmoid()", "cr.sigmoid(x)"),
    "relu": ("x.relu()", "cr.relu(x)"),
    "softmax": ("x.softmax(0)", "cr.softmax(x, 0)"),
    "log_softmax": ("x.log_softmax(0)", "cr.log_softmax(x, 0)"),
    "logsumexp": ("x.logsumexp(0)", "cr.logsumexp(x, 0)"),
    "erf": ("x.erf()", "cr.special.erf(x)"),
    "erfc": ("x.erfc()", "cr.special.erfc(x)"),
    "logit": ("p.logit()", "cr.special.logit(p)"),
    "xlogy": ("x.xlogy(v)", "cr.special.xlogy(x, v)"),
    "amax": ("x.amax(0)", "x.max(0)"),
    "amin": ("x.amin(0)", "x.min(0)"),
    "aminmax": ("x.aminmax(dim=0)", "(x.min(0), x.max(0))"),
    "nanmedian": ("v.nanmedian()", "np.nanmedian(v)"),
    "norm": ("x.norm()", "np.linalg.norm(x)"),
    "topk": ("x.topk(2)[0]", "np.flip(np.sort(x, axis=-1), -1)[..., :2]"),
    "kthvalue": ("x.kthvalue(2)[0]", "np.sort(x, axis=-1)[..., 2 - 1]"),
    "matmul": ("s.matmul(s)", "s @ s"),
    "mm": ("s.mm(s)", "s @ s"),
    "bmm": ("c.bmm(c)", "c @ c"),
    "mv": ("s.mv(v)", "s @ v"),
    "ger": ("v.ger(v)", "np.outer(v, v)"),
    "addmm": ("s.addmm(s, s)", "s + s @ s"),
    "baddbmm": ("c.baddbmm(c, c)", "c + c @ c"),
    "det": ("s.det()", "np.linalg.det(s)"),
    "slogdet": ("s.slogdet()[1]", "np.linalg.slogdet(s)[1]"),
    "matrix_power": ("s.matrix_power(2)", "np.linalg.matrix_power(s, 2)"),
    "inverse": ("s.inverse()", "np.linalg.inv(s)"),
    "pinverse": ("s.pinverse()", "np.linalg.pinv(s)"),
    "logdet": ("s.logdet()", "np.linalg.slogdet(s)[1]"),
    "gather": ("x.gather(1, k)", "np.take_along_axis(x, k, 1)"),
    "index_select": ("x.index_select(1, i)", "np.take(x, i, 1)"),
    "masked_fill": ("x.masked_fill(x > 0, 7.0)", "np.where(x > 0, 7.0, x)"),
    "masked_select": ("x.masked_select(x > 0)", "x[x > 0]"),
    "where": ("x.where(x > 0, v)", "np.where(x > 0, x, v)"),
    "select": ("x.select(0, 1)", "np.take(x, 1, 0)"),
    "narrow": ("x.narrow(1, 1, 2)", "x[..., 1 : 1 + 2]"),
    "chunk": ("x.chunk(2)", "np.array_split(x, 2, 0)"),
    "split": ("v.split([1, 2])", "np.split(v, [1], 0)"),
    "unbind": ("x.unbind(1)", "np.unstack(x, axis=1)"),
    "unfold": ("x.unfold(1, 2, 1)", "np.stack([x[..., k : k + 2] for k in range(2)], axis=-2)"),
    "double": ("x.double()", "x.astype(np.float64)"),
    "float": ("x.float()", "x.astype(np.float32)"),
    "half": ("x.half()", "x.astype(np.float16)"),
    "long": ("x.long()", "x.astype(np.int64)"),
    "int": ("x.int()", "x.astype(np.int32)"),
    "bool": ("x.bool()", "x.astype(bool)"),
    "type_as": ("x.type_as(v)", "x.astype(v.dtype)"),
    "clone": ("x.clone()", "x.copy()"),
    "is_floating_point": ("x.is_floating_point()", "x.dtype.kind == 'f'"),
    "new_zeros": ("x.new_zeros((2,))", "np.zeros((2,), x.dtype)"),
    "new_ones": ("x.new_ones((2,))", "np.ones((2,), x.dtype)"),
    "equal": ("x.equal(x)", "np.array_equal(x, x)"),
    "element_size": ("x.element_size()", "x.dtype.itemsize"),
}
UNCOMPARED = {
    *(
        "zero_grad",
        "cholesky",
        "qr",
        "svd",
        "pinv",
        "digamma",
        "erfinv",
        "lgamma",
        "histc",
        "device",
        "is_cuda",
        "values",
        "indices",
    ),
    *("scatter", "scatter_add", "index_add", "index_copy", "index_fill", "cpu", "cuda", "pin_memory", "contiguous"),
    *("share_memory_", "to", "type", "requires_grad_", "grad_fn", "register_hook", "new_tensor", "nbytes", "itemsize"),
    *(
        "strides",
        "flat",
        "flags",
        "tobytes",
        "base",
        "stride",
        "data_ptr",
        "storage",
        "is_contiguous",
        "fill",
        "itemset",
    ),
    *("partition", "setflags", "resize"),
}
"""Names whose hint is a sentence, or PyTorch's function of that name is no tensor's."""


@walked("name", HINTS)
def test_what_a_hint_names_is_what_pytorch_gives(torch, name):
    written, instead = HINTS[name]
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; write ") as caught:
        run(written, ours())
    spelled = (
        re.search(r"(np|chainrule)[\w.]+\(|\.\w+|@|x\[|[-+*/<>=]=?", NAMES[name]).group().replace("chainrule.", "cr.")
    )
    assert spelled in instead, f"the hint of {name} is {caught.value}"
    assert same(run(instead, ours())[0], run(written, theirs(torch))[0])


def test_a_view_of_another_shape_names_it():
    with pytest.raises(TypeError, match=r"x\.view: got 3, 2, expected a dtype; .* x\.reshape\(3, 2\)"):
        ours()["x"].view(3, 2)
    with pytest.raises(TypeError, match="it is called cotangent here"):
        (ours()["x"] * 1.0).backward(gradient=1.0)


def test_names_of_functions_say_what_to_write():
    with pytest.raises(AttributeError, match=r"here it is cr\.seed\(n\), or .* import chainrule\.torch as torch"):
        cr.manual_seed  # noqa: B018


def test_layers_and_loaders_that_are_not_here_say_where_they_are():
    for module, name, where in (
        (cr.nn, "AdaptiveAvgPool2d", "chainrule.torch.nn"),
        (cr.data, "TensorDataset", "chainrule.torch.utils.data"),
    ):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'; .* are in {where}$"):
            getattr(module, name)
        assert hasattr(import_module(where), name)


def test_what_the_hints_of_functions_name_is_there():
    """Every `cr.…` and `np.…` in a hint is a name of chainrule or NumPy."""
    for name, text in (NEAREST | OTHERS).items():
        assert name not in cr.__all__, name  # packages that are not imported with it are hinted at, too
        for package, path in re.findall(r"\b(cr|np)\.([\w.]*\w)", text):
            with named(name, text):
                attrgetter(path)({"cr": cr, "np": np}[package])


def test_keywords_of_other_libraries_say_their_names_here():
    weights = [cr.tensor(1.0, requires_grad=True)]
    with pytest.raises(TypeError, match="Adam: got the unexpected argument 'learning_rate'; it is called lr here"):
        cr.optim.Adam(weights, learning_rate=0.1)
    with pytest.raises(TypeError, match="grad: got the unexpected argument 'argnum'; it is called argnums here"):
        cr.grad(np.sin, argnum=0)


def test_a_model_and_its_path_in_the_other_order(tmp_path):
    model = cr.nn.Linear(1, 1)
    with pytest.raises(TypeError, match=r"save: model: expected a module, got str; .*: save\(path, model\)"):
        cr.save(model, str(tmp_path / "x.pt"))
    with pytest.raises(TypeError, match="expected a module, got dict"):
        cr.save(tmp_path / "x.pt", dict(model.state_dict()))
    with pytest.raises(AttributeError, match="'half'; convert it with"):
        model.half()


def test_every_hint_is_compared_or_a_sentence():
    assert set(NAMES) == HINTS.keys() | UNCOMPARED


@walked("name", ["add_", "uniform_", "clamp_"])
def test_methods_that_change_a_tensor(name):
    with pytest.raises(AttributeError, match=f"'{name}'; tensors are not changed by methods; write y = "):
        getattr(cr.tensor([1.0]), name)


def test_a_function_of_numpy_and_a_name_of_nobody():
    x = cr.tensor([1.0])
    with pytest.raises(AttributeError, match=r"'median'; write np\.median\(x\)$"):
        _ = x.median
    with pytest.raises(AttributeError, match=r"no attribute 'nothing_like_it'$"):
        _ = x.nothing_like_it
    assert not hasattr(x, "__cuda_array_interface__")


@walked(
    ("call", "step"),
    [
        *(("cr.softmax(x, dim=-1)", "axis"), ("cr.log_softmax(x, dim=1)", "axis"), ("cr.logsumexp(x, dim=1)", "axis")),
        *(("cr.cat([x, x], dim=1)", "axis"), ("cr.stack([x, x], dim=1)", "axis"), ("cnp.sum(x, dim=0)", "axis")),
        *(("cnp.mean(x, 0, keepdim=True)", "keepdims"), ("cr.softmax(x, dtype=np.float32)", "astype")),
        *((f"cr.{name}(x, inplace=True)", "leave it out") for name in ("relu", "silu", "elu", "leaky_relu")),
        *((f"F.{name}(x, inplace=True)", "leave it out") for name in ("relu", "mish", "dropout")),
        *((f"nn.{name}(inplace=True)", "leave it out") for name in ("ReLU", "SiLU", "ELU", "Dropout")),
        *(("nn.ReLU(True)", "leave it out"), ("nn.Dropout(0.5, True)", "leave it out")),
        *(("nn.Linear(2, 3, device='cpu')", "leave it out"), ("nn.LSTM(2, 3, device='cpu')", "leave it out")),
        *(("cr.tensor([1.0], device='cpu')", "leave it out"), ("cr.zeros(2, device='cpu')", "leave it out")),
    ],
)
def test_a_keyword_of_pytorch_is_answered_with_what_to_write(call, step):
    names = {"cr": cr, "nn": cr.nn, "F": functional, "cnp": cr.numpy, "np": np, "x": cr.tensor(ARRAYS["x"])}
    with pytest.raises(TypeError, match=step):
        eval(call, names)


def test_other_unknown_keywords_keep_pythons_words_and_functions_can_be_pickled():
    with pytest.raises(TypeError, match="unexpected keyword argument 'foo'"):
        cr.softmax(ARRAYS["x"], foo=1)
    with pytest.raises(TypeError, match="missing 1 required"):
        cr.relu()
    for function in (cr.relu, cr.softmax, cr.stack, cr.zeros, functional.mish):
        assert pickle.loads(pickle.dumps(function)) is function
    with pytest.raises(AttributeError, match=r"write x\.grad = None"):
        cr.tensor(1.0).zero_grad()
