"""Draws random programs as strangers write them: views, writes, control flow, objects, state, draws, gradients.

`program_maker` draws what is computed with; these programs are about how Python code goes about it. Each line is carried
out as it is drawn, and left out where NumPy refuses it or its values are no longer of ordinary size.
"""

# ruff: noqa: E501 - lists of short templates read best in long lines

import random
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

PRELUDE = """
import numpy as np
import chainrule as cr


def rows(seed, *shape, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def whole(seed, *shape):
    return np.random.default_rng(seed).integers(0, 4, shape)


class Box:
    scale = 1.5

    def __init__(self, w, k):
        self.w, self.k, self.on, self.items, self.named = w, k, True, [w * 2, 1.0], {"b": w + 1, "s": 3}

    def of(self, x):
        return x * self.k + self.scale

    def weigh(self, x):
        return x * self.w.sum() if self.on else x - self.w.mean()

    def all(self, x):
        for item in self.items:
            x = x + np.sum(item)
        return x

    def __call__(self, x):
        return self.of(x) - self.named["b"].sum() * self.named["s"]

    @property
    def half(self):
        return self.k / 2


def helper(x, k=2.0, *, flip=False, **more):
    y = x * k
    for key in more:
        y = y + more[key]
    return y[::-1] if flip and np.ndim(y) else y
"""
"""In the templates, A and B are floats, I whole numbers, M a condition; V and W are new names."""
VIEWS = (
    *(
        "A[0]",
        "A[-1]",
        "A[1:]",
        "A[:-1]",
        "A[::2]",
        "A[::-1]",
        "A[..., 0]",
        "A[:, 1]",
        "A[None]",
        "A[1:, :2]",
        "A[...]",
    ),
    *("A.T", "A.ravel()", "A.reshape(-1)", "A.reshape(2, -1)", "A.swapaxes(0, -1)", "np.squeeze(A)", "np.flip(A)"),
    *("np.diagonal(A)", "np.broadcast_to(A, (2,) + A.shape)", "np.split(A, 2)[0]", "np.moveaxis(A, 0, -1)", "A[()]"),
    *("A.ravel('F')", "A.ravel('K')", "A[:0]", "A.view()", "A[len(A) // 2 :]", "np.expand_dims(A, 0)", "A.real"),
)
PICKS = (
    *("A[[0, 1]]", "A[I]", "A[..., [0, -1]]", "np.take_along_axis(A, np.argsort(A, axis=-1), -1)", "A[np.argmax(A)]"),
    *("A[np.ix_([0, 1], [1, 0])]", "A[I % len(A)]", "A[np.argsort(A)]", "np.compress([True, False], A, axis=0)"),
)
UNARY = (
    *("np.tanh(A)", "A**2", "-A", "abs(A)", "2 - A", "A / 3", "np.where(A > 0, A, 0.1)", "np.sign(A)", "A.mean()"),
    *("A.sum(axis=0)", "A.sum(axis=-1, keepdims=True)", "A.max(axis=-1)", "A.std()", "np.cumsum(A)", "np.sort(A)"),
    *("np.median(A)", "A - A.mean(axis=0)", "np.repeat(A, 2)", "np.pad(A, 1)", "A.flatten()", "A.astype(np.float32)"),
    *("np.zeros_like(A)", "np.outer(A, A)", "np.tril(A)", "np.array([A, A])", "np.stack([A, -A])", "A @ A.T"),
    *("np.concatenate([A, A])", "np.vstack([A, A])", "np.add.accumulate(A)", "np.einsum('ij->ji', A)", "A / A.size"),
    *("np.einsum('ij,ij->i', A, A)", "A % 0.7", "np.quantile(A, 0.3)", "np.insert(A, 0, 9.0)", "np.append(A, A)"),
    *("np.float32(2) * A", "np.abs(np.fft.fft(A))", "np.exp(1j * A).imag", "np.interp(A, [-1, 0, 1], [0.0, 2.0, 1.0])"),
    *("np.gradient(A)", "np.vander(A)", "np.kron(A, A)", "A.round(1)", "np.ravel(A)[0]", "A * np.array(2.0)"),
)
BINARY = (
    *(
        "A + B",
        "A * B",
        "A / (1 + B**2)",
        "np.maximum(A, B)",
        "np.where(A > B, A, B)",
        "A @ B",
        "np.concatenate([A, B])",
    ),
    *(
        "np.stack([A, B])",
        "np.einsum('ij,jk->ik', A, B)",
        "A < B",
        "A + B.sum()",
        "A * (B > 0)",
        "np.column_stack([A, B])",
    ),
    *(
        "np.broadcast_arrays(A, B)[0] * 2",
        "np.select([A > 0.5, A < B], [A, B], 0.1)",
        "np.array([A, B])",
        "np.append(A, B)",
    ),
    *("np.convolve(A, B)", "np.searchsorted(np.sort(A), B)", "np.subtract.outer(A, B)", "np.hstack([A, B * 2])"),
)
OTHERS = (
    *("I + 1", "I // 2", "I.sum()", "I * A", "np.bincount(I, minlength=5)", "np.eye(5)[I]", "I == 1", "I / 2", "~I"),
    *("np.concatenate([I, A * 2])", "np.cumsum(I)", "I.mean()", "~M", "M.sum()", "M & (A > 0)", "M * A", "M.any()"),
    *("M.astype(np.float32)", "np.where(M, A, -A)", "M.mean()", "M.astype(int)", "np.concatenate([M, A * 2])"),
)
WRITES = (
    *(
        "A += 0.5",
        "A -= B",
        "A *= B",
        "A[0] = 0.5",
        "A[1:] = A[:-1]",
        "A[-1] += B.sum()",
        "A[A > 0] = 0.25",
        "A[...] = B",
    ),
    *("A.fill(0.5)", "A.sort()", "A[I] = 1.5", "np.add(A, B, out=A)", "np.clip(A, -1, 1, out=A)", "np.copyto(A, B)"),
    *("A[:, 0] = A[:, 1]", "np.add.at(A, I, 1.0)", "np.putmask(A, A > 1, 0.0)", "A.T[0] = 1", "A.flat[0] = 3.0"),
    *("A[0], A[-1] = A[-1].copy(), A[0].copy()", "A.reshape(-1)[0] = 4.0", "A -= A.mean()", "A[1:] += A[:-1]"),
    *("np.fill_diagonal(A, 1.0)", "A[None][0, 0] = 2", "A[(A < 0) & M] = 0", "np.cumsum(A, axis=0, out=A)"),
)
CONTROL = (
    "if A.ndim > 1:\n    V = A * 2\nelse:\n    V = A + 1",
    "V = A\nfor i in range(3):\n    V = V * 0.5 + i",
    "V = 0\nfor row in A:\n    V = V + row.sum()",
    "V = A\nwhile V.ndim > 1:\n    V = V.sum(axis=0)",
    "V = np.stack([row * i for i, row in enumerate(A)])",
    "some = [A, B]\nsome.append(A * 2)\nV = some[-1] + some[0]",
    "d = {'a': A, 'b': B}\nd['c'] = d['a'] * 2\nV = sum(v.sum() for v in d.values())",
    "try:\n    V = A @ np.zeros(99)\nexcept ValueError:\n    V = A * 3",
    "V = A.copy()\nW = V[0]\nW += 5\nV = V * 1",
    "W = A\nW = W + 1\nV = A * W",
    "W = np.ones(A.shape)\nV = A * W\nW[...] = 0",
    "def inner(t, acc=[]):\n    return t + len(acc)\nV = inner(A)",
    "with np.errstate(all='ignore'):\n    V = np.log(np.abs(A) + 1)",
    *("V = helper(A, flip=True)", "V = helper(A, 3, extra=B)", "V = box.of(A)", "V = box.weigh(A)", "V = box.all(A)"),
    *(
        "V = box(A)",
        "V = A * box.half",
        "V = A if K > 1 else -A",
        "V = A[:N]",
        "V = np.full(N, K) + A.sum()",
        "V = A * K",
    ),
    *("V = TABLE[I % 5] + 1", "V = A + CONST", "V = A * CFG['rate']", "V = A * LIST[0] + len(LIST)", "V = A * A.size"),
    *("V = (W := A * 2) + W", "V, (W, *rest) = A.sum(), list(A)", "V = A * (A.dtype == np.float64)", "V = sum(A)"),
    *(
        "V = RNG.normal(size=3) * A.sum()",
        "V = A * (RNG.random(A.shape) < 0.5)",
        "V = cr.nn.functional.dropout(A, 0.5)",
    ),
    *(
        "V = cr.nn.functional.softmax(A, -1)",
        "V = A * X",
        "V = np.linspace(0, X, 4) * A.sum()",
        "V = A.T if X > 1 else A",
    ),
)
GRADIENTS = (
    *("V = cr.grad(lambda a: (F).sum())(A)", "W, V = cr.value_and_grad(lambda a: (F).sum())(A)"),
    *("V = cr.jvp(lambda a: F, (A,), (np.ones_like(A),))[1]", "V = cr.grad(lambda a: box.of(a).sum() * K)(A)"),
    "def loss(a):\n    b = a * 1\n    b[0] = b[-1] * 2\n    return (b * a).sum()\nV = cr.grad(loss)(A)",
    "V = cr.grad(lambda p: (p['w'] * A).sum() + p['b'] ** 2)({'w': B.sum(), 'b': 2.0})['w']",
)
INNER = (
    *("np.tanh(a)", "np.exp(-(a**2)) * a", "np.where(a > 0, a, 0.1 * a)", "a[::-1] * a", "np.cumsum(a)", "np.sort(a)"),
    *("np.concatenate([a, a * 2])", "a - a.mean()", "a / a.size", "np.stack([a, a])[0]", "np.prod(a)", "a.T * 2"),
)
EVENTS = (
    *("K = {n}", "N = {k}", "box.k = {n}", "box.on = not box.on", "box.w = rows({k}, *box.w.shape)", "box.w += 0.5"),
    *("CONST += 1", "CONST = rows({k}, *CONST.shape)", "CFG['rate'] = {n}", "LIST[0] = {n}", "LIST.append(1.0)"),
    *(
        "box.items.append({n})",
        "TABLE[0] = {n}",
        "Box.scale = {n}",
        "box.named['b'] = box.named['b'] * 2",
        "cr.seed({k})",
    ),
    *("box.items[0] *= 2", "RNG = np.random.default_rng({k})", "CONST = CONST.T.copy().T"),
)
STATE = "[box.w, CONST, TABLE, LIST, box.items, box.named, RNG.bit_generator.state['state']]"
SHAPES = ((), (1,), (3,), (4,), (2, 3), (3, 4), (4, 4), (2, 3, 4), (1, 4), (0, 3), (5,))


@dataclass
class Strange:
    """A program: the text that defines `f`, the arguments of its calls, and what is done before them."""

    text: str
    calls: list[str]
    events: dict[int, str]


class _Maker:
    def __init__(self, seed: int) -> None:
        self.rng, self.count = random.Random(seed), 0
        self.env: dict[str, Any] = {"__name__": "strangers"}
        self.names: list[str] = []

    def made(self) -> Strange | None:
        rng = self.rng
        width = rng.choice((2, 3, 4))
        setup = [
            f"box, K, N = Box(rows({rng.randrange(99)}, {width}), {rng.choice((2.0, 3))}), {rng.choice((2, -1.5))}, 2",
            f"CONST = rows({rng.randrange(99)}, {rng.choice(('3', '4', '3, 4', '1'))})",
            "CFG, LIST, TABLE, RNG = {'rate': 0.5}, [2.0, 1.0], rows(3, 5), np.random.default_rng(4)",
        ]
        exec("\n".join([PRELUDE, *setup]), self.env)
        drawn = [self.argument() for _ in range(rng.randrange(1, 4))]
        self.env["X"] = 2
        for k, one in enumerate(drawn):
            self.env[f"x{k}"] = eval(one.format(rng.randrange(10**4)), self.env)
            self.names.append(f"x{k}")
        body, results = self.body(rng.randrange(3, 14))
        if not results:
            return None
        chosen = list(dict.fromkeys([results[-1], *rng.sample(results, min(len(results), rng.randrange(4)))]))
        form = rng.choice(("({},)", "[{}]", "{{'all': ({},)}}"))
        parameters = ", ".join([*(f"x{k}" for k in range(len(drawn))), "X"])
        lines = [line.replace("\n", "\n    ") for line in [*body, f"return {form.format(', '.join(chosen))}"]]
        text = "\n".join([PRELUDE, *setup, "", "", f"def f({parameters}):", *(f"    {line}" for line in lines)])
        calls = [", ".join([*(one.format(rng.randrange(10**4)) for one in drawn), str(rng.choice((1, 2, 2.5)))])
                 for _ in range(5)]  # fmt: skip
        given = {k: rng.choice(EVENTS) for k in range(1, 5) if rng.random() < 0.3}
        events = {k: one.format(n=rng.choice((2.5, -1.0)), k=rng.choice((1, 3))) for k, one in given.items()}
        return Strange(text, calls, events)

    def argument(self) -> str:
        """Draw the expression of an argument, with a place for a seed."""
        kind, shape = self.rng.random(), "".join(f", {n}" for n in self.rng.choice(SHAPES))
        if kind < 0.65:
            return f"rows({{}}{shape}, dtype={self.rng.choice(('np.float64', 'np.float64', 'np.float32'))})"
        if kind < 0.8:
            return f"whole({{}}{shape})"
        return self.rng.choice(
            (f"rows({{}}{shape}) > 0", f"np.asfortranarray(rows({{}}{shape}))", "rows({}, 8, 6)[::2, 1::2]")
        )

    def body(self, count: int) -> tuple[list[str], list[str]]:
        body: list[str] = []
        results: list[str] = []
        for _ in range(4 * count):
            if len(body) == count:
                break
            line, made = self.line()
            if line and self.runs(line, made):
                body.append(line)
                if made:
                    self.names.append(made)
                    results.append(made)
        return body, results

    def line(self) -> tuple[str, str]:
        """Draw a line, and the name that it makes, if any."""
        self.count += 1
        pools = ((0.18, VIEWS), (0.25, PICKS), (0.45, UNARY), (0.58, BINARY), (0.68, OTHERS))
        kind = self.rng.random()
        pool = next((pool for limit, pool in pools if kind < limit), None)
        if pool is not None:
            text = f"V = {self.rng.choice(pool)}"
        else:
            text = self.rng.choice(WRITES if kind < 0.8 else CONTROL if kind < 0.94 else GRADIENTS)
        text = re.sub(r"\bF\b(?!')", self.rng.choice(INNER), text)
        found: dict[str, str] = {}
        for letter, kinds in (("A", "f"), ("B", "f"), ("I", "i"), ("M", "b")):
            mine = [n for n in self.names if getattr(getattr(self.env[n], "dtype", None), "kind", "") in kinds]
            if mine:
                found[letter] = self.rng.choice(mine[-4:] if self.rng.random() < 0.5 else mine)
        found |= {"V": f"v{self.count}", "W": f"w{self.count}"}
        text = re.sub(r"(?<![\w.'\"])[ABIMVW](?![\w'\"])", lambda m: found.get(m[0], "?"), text)
        return ("", "") if "?" in text else (text, found["V"] if re.search(rf"\b{found['V']}\b", text) else "")

    def runs(self, line: str, made: str) -> bool:
        """Carry a line out, and return whether it makes sense; if not, undo it."""
        before = {n: (x, np.array(x)) for n in self.names if isinstance(x := self.env[n], np.ndarray)}
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(line, self.env)
            names = [*self.names, *([made] if made else [])]
            if all(_is_ordinary(self.env[n]) for n in names):
                return True
        except Exception:  # of whatever kind: then the line is not for these values
            pass
        for name, (array, values) in before.items():
            self.env[name] = array
            if array.flags.writeable:
                array[...] = values
        return False


def _is_ordinary(x: Any) -> bool:
    if not isinstance(x, np.ndarray | np.generic) or x.dtype.kind not in "fiub":
        return False
    return x.size < 2000 and bool(np.all(np.isfinite(x)) and np.all(np.abs(x.astype(float)) < 1e6))


def made(seed: int) -> Strange | None:
    """Return the program of a seed, or None where it came to nothing."""
    return _Maker(seed).made()
