"""Random programs that write in place: what NumPy makes of them is what every transform must make of them.

A program is the text of a function of one array: views, in-place operators and functions, helpers, loops over rows. It
is made line by line; a line that NumPy refuses is left out, and so is one that makes numbers large or infinite.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

PRELUDE = """
def bump(a):
    a += 0.5

def scaled(a, s):
    for row in a:
        row *= s

def exchanged(a, b):
    t = a.copy()
    a[...] = b
    b[...] = t

def centred(a):
    a -= a.mean()
    return a

def smoothed(a):
    for i in range(1, len(a)):
        a[i] += 0.5 * a[i - 1]
    return a[::-1]
"""

VIEWS = (
    *("{v}[0]", "{v}[-1]", "{v}[1:]", "{v}[:-1]", "{v}[::2]", "{v}[::-1]", "{v}[..., 0]", "{v}[..., 1:]", "{v}[:, 1]"),
    *("{v}[None]", "{v}[1:, :2]", "{v}[...]", "{v}[0, 1]", "{v}[:, ::-1]", "{v}[1:3]", "{v}[()]", "{v}[..., None, :]"),
    *("{v}.T", "{v}.ravel()", "{v}.reshape(-1)", "{v}.reshape(2, -1)", "{v}.reshape(-1, 2)", "{v}.reshape(3, -1)"),
    *("{v}.swapaxes(0, -1)", "{v}.transpose()", "np.transpose({v})", "np.moveaxis({v}, 0, -1)", "np.ravel({v})"),
    *("np.squeeze({v})", "{v}.squeeze()", "np.expand_dims({v}, 0)", "np.expand_dims({v}, -1)", "np.flip({v}, 0)"),
    *("np.flip({v})", "np.flipud({v})", "np.fliplr({v})", "np.rot90({v})", "np.rot90({v}, 2)", "np.split({v}, 2)[0]"),
    *("np.array_split({v}, 2)[1]", "np.hsplit({v}, 2)[1]", "np.vsplit({v}, 2)[0]", "np.atleast_2d({v})"),
    *("np.atleast_3d({v})", "np.atleast_1d({v})", "np.real({v})", "np.swapaxes({v}, 0, 1)", "np.rollaxis({v}, 1)"),
    *("np.einsum('ij->ji', {v})", "np.einsum('...->...', {v})", "list({v})[1]", "{v}.mT", "np.diagonal({v})"),
    *("np.broadcast_to({v}, (2,) + {v}.shape)", "np.trim_zeros({v})", "np.array_split({v}, 3)[0]", "np.diag({v})"),
    *("np.broadcast_arrays({v}, {w})[0]", "np.permute_dims({v})", "np.matrix_transpose({v})", "np.unstack({v})[0]"),
)
COPIES = (
    *("{v}.flatten()", "{v}.copy()", "np.copy({v})", "{v} + 0.25", "{v}[[0, 1]]", "{v} * {w}", "np.sin({v})"),
    *("{v}.astype(float)", "+{v}", "np.roll({v}, 1)", "np.tile({v}, 1)", "np.concatenate([{v}, {v}])", "np.sort({v})"),
    *("np.where({v} > 0.1, {v}, {w})", "np.stack([{v}, {v}])", "{v}.sum(axis=0)", "{v}.T.copy()", "np.copy({v}.T)"),
    *("np.outer({v}, {w})", "{v}.sum()", "{v}.mean()", "np.maximum({v}, {w})", "np.resize({v}, (2, 3))", "{v} @ {w}"),
    *("np.meshgrid({v}, {w})[0]", "np.conjugate({v})", "np.append({v}, {w})", "np.cumsum({v})", "np.take({v}, [0, 1])"),
    *("np.repeat({v}, 2)", "np.delete({v}, 0)", "np.pad({v}, 1)", "np.tril({v})", "np.nan_to_num({v})", "abs({v})"),
    *("np.diag({v})", "{v}.max(axis=0)", "np.clip({v}, -1.0, 1.0)", "np.compress([True, False], {v}, axis=0)"),
)
WRITES = (
    *("{v} += 0.5", "{v} *= 0.75", "{v} -= {w}", "{v} += {w}", "{v} *= {w}", "{v} /= 2.0", "{v} **= 2", "{v} //= 0.7"),
    *("{v} %= 0.9", "{v} += {v}", "{v} -= {v}[::-1]", "{v} *= {w}.sum()", "{v} @= {v}", "{v} /= 1.5 + {w} ** 2"),
    *("{v}[0] = 0.3", "{v}[...] = {w}", "{v}[:] = 0.2 * {w}", "{v}[1:] = {v}[:-1]", "{v}[:-1] = {v}[1:]"),
    *("{v}[0] += {w}[-1]", "{v}[::2] *= -1.0", "{v}[[0, 1]] += 0.5", "{v}[[0, 0]] += 0.5", "{v}[{v} > 0.2] *= 0.5"),
    *(
        "{v}[{v} < 0] = 0.1",
        "{v}[..., 0] = {w}[..., 0]",
        "{v}[0][0] = 0.7",
        "{v}[0][1:] += {w}[0][1:]",
        "{v}[-1] -= 1.0",
    ),
    *("{v}.T[0] = 0.4", "{v}.ravel()[1] = 0.6", "{v}.ravel()[1:3] *= {w}.sum()", "{v}.flatten()[0] = 9.0"),
    *(
        "{v}.reshape(-1)[::2] = 0.25",
        "{v}.reshape(2, -1)[1] += 0.125",
        "{v}.fill(0.4)",
        "{v}.sort()",
        "{v}.sort(axis=0)",
    ),
    *("{v}.partition(1)", "{v}[::-1].sort()", "{v}.put([0, 1], 0.35)", "{v}.T.fill(0.3)", "{v}[()] = {w}"),
    *("np.copyto({v}, {w})", "np.copyto({v}, {w}, where={v} > 0.2)", "np.put({v}, [0, -1], [0.2, 0.3])"),
    *("np.place({v}, {v} > 0.5, [0.1, 0.2])", "np.putmask({v}, {v} > 0.3, {w})", "np.fill_diagonal({v}, 0.9)"),
    *("np.fill_diagonal({v}, {w}.sum())", "np.put_along_axis({v}, np.argmax({v}, axis=0)[None], 0.1, 0)"),
    *("np.add.at({v}, [0, 0], 0.25)", "np.subtract.at({v}, [1, 0], {w}[0])", "np.multiply.at({v}, [1, 0], 0.5)"),
    *(
        "np.negative.at({v}, [0])",
        "np.add({v}, {w}, out={v})",
        "np.multiply({v}, 0.5, out={w})",
        "np.tanh({w}, out={v})",
    ),
    *("np.sum({v}, axis=0, out={w})", "np.clip({v}, -0.5, 0.5, out={v})", "np.maximum({v}, 0.1, out={v})"),
    *("np.add({v}, 1.0, out={v}, where={v} > 0.2)", "np.matmul({v}, {w}, out={v})", "np.cumsum({v}, out={v})"),
    *(
        "np.split({v}, 2)[1][...] = 0.15",
        "np.flip({v}, 0)[0] = 0.55",
        "np.broadcast_to({v}, (2,) + {v}.shape)[0] = 1.0",
    ),
    *("np.diagonal({v})[0] = 1.0", "np.einsum('ii->i', {v})[...] = 0.5", "{v} += np.ones((2, 2, 2))"),
    *("np.multiply({v}, {w}, {v})", "{v}[None][0] += 0.25", "{v}[{v} > 0.1] += {w}.sum()", "{v}[..., [0, 1]] = 0.2"),
)
CALLS = (
    *(
        "bump({v})",
        "bump({v}[0])",
        "bump({v}[1:])",
        "scaled({v}, 0.8)",
        "scaled({v}.T, 0.9)",
        "exchanged({v}[0], {v}[1])",
    ),
    *("exchanged({v}, {w})", "scaled({v}, {w}.sum())", "exchanged({v}[:2], {v}[-2:])", "scaled([{v}, {w}], 0.95)"),
)
RESULTS = ("centred({v})", "smoothed({v})", "smoothed({v}.T)", "centred({v}[0])", "{v}")
BLOCKS = (
    "for row in {v}:\n    row -= 0.1 * row.sum()",
    "for row in {v}:\n    row += 1.0\n    row = row * 2.0",
    "for i in range(len({v})):\n    {v}[i] *= 1.0 - 0.1 * i",
    "for a, b in zip({v}, {w}):\n    a += b",
    "for i, row in enumerate({v}.T):\n    row[...] = row[::-1]",
    "rows = list({v})\nrows[0] += rows[1]",
    "top, bottom = {v}[:1], {v}[1:]\ntop -= bottom[:1]\nbottom *= top",
    "s = {v}.sum()\nt = s\ns += 1.0\n{v} += t - s",
    "e = {v}[0]\ne += 0.5",
    "first, *rest = {v}\nfirst *= 0.9\nrest[-1] -= first",
    "{v}, {w} = {w}, {v}",
    "if {v}.sum() > 0.3:\n    {v} -= 0.05\nelse:\n    {v} += 0.05",
)
ERRORS = (ValueError, TypeError, IndexError, AttributeError, np.linalg.LinAlgError)
LARGE = 30.0


@dataclass(frozen=True)
class Program:
    """A program, and the array it is for."""

    source: str
    shape: tuple[int, ...]
    seed: int

    def function(self) -> Any:
        """Return the function, as everybody would write it."""
        found: dict[str, Any] = {"np": np}
        exec(compile(self.source, f"<program {self.seed}>", "exec"), found)
        return found["f"]

    def argument(self) -> Any:
        """Return an array for it."""
        return np.random.default_rng(self.seed).uniform(-0.9, 0.9, self.shape)


def source_of(lines: list[str], names: list[str]) -> str:
    """Return the text of a program."""
    body = "\n".join(lines).replace("\n", "\n    ")
    total = " + ".join(f"np.sum(np.sin({1 + 0.3 * k:.1f} * {name}))" for k, name in enumerate(names))
    return f"{PRELUDE}\ndef f(x):\n    {body}\n    return {total}\n"


def program(seed: int, length: int = 9) -> Program:
    """Return the program of a seed."""
    rng = np.random.default_rng(seed)
    shape = [(3, 4), (4,), (2, 3), (3, 3), (2, 2, 2), (4, 2)][rng.integers(6)]
    lines = ["v0 = x" if rng.random() < 0.3 else "v0 = x * 1.0", "v1 = np.cos(x)" if rng.random() < 0.5 else "v1 = v0"]
    names = ["v0", "v1"]
    for _ in range(4 * length):
        if len(lines) >= length + 2:
            break
        line, name = _line(rng, names)
        more = [name] if name is not None and name not in names else []
        candidate = Program(source_of([*lines, line], names + more), shape, seed)
        if _runs(candidate):
            lines.append(line)
            names += more
    return Program(source_of(lines, names), shape, seed)


def _line(rng: Any, names: list[str]) -> tuple[str, str | None]:
    v, w = (names[k] for k in rng.integers(len(names), size=2))
    kind = rng.random()
    if kind < 0.5:
        texts: tuple[str, ...] = WRITES if kind < 0.38 else CALLS if kind < 0.43 else BLOCKS
        return str(rng.choice(texts)).format(v=v, w=w), None
    texts = VIEWS if kind < 0.82 else RESULTS if kind < 0.88 else COPIES
    name = f"v{len(names)}" if rng.random() < 0.8 else str(rng.choice(names))
    return f"{name} = {rng.choice(texts)}".format(v=v, w=w), name


def _runs(candidate: Program) -> bool:
    """Whether NumPy runs a program without complaint, and its numbers stay small."""
    try:
        with warnings.catch_warnings(), np.errstate(all="raise"):
            warnings.simplefilter("error")
            inside, value = _inside(candidate)
    except ERRORS:
        return False
    except (ArithmeticError, Warning):
        return False
    arrays = [x for x in inside.values() if isinstance(x, np.ndarray | np.generic)]
    return bool(np.isfinite(value)) and all(np.abs(x).max(initial=0) < LARGE for x in arrays if x.dtype.kind == "f")


def _inside(candidate: Program) -> tuple[dict[str, Any], Any]:
    """Return the variables of a program at its end, and its value."""
    marked = candidate.source.rpartition("    return ")
    found: dict[str, Any] = {"np": np}
    exec(f"{marked[0]}    return dict(locals()), {marked[2]}", found)
    inside, value = found["f"](candidate.argument())
    return inside, value
