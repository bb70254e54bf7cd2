"""Make the pictures of the course, in both languages: python docs/course/pictures.py"""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import drawing
import experiments
from nets import graph, neuron, two_layers

import chainrule as cr

FOLDER = Path(__file__).parent / "pictures"
WORDS = {
    "loss": ("loss L", "손실 L"),
    "dial": ("dial w", "다이얼 w"),
    "tangent": ("tangent: slope {0:g}", "접선: 기울기 {0:g}"),
    "secant": ("central difference: {0:g}", "중앙 차분: {0:g}"),
    "parameters": ("parameters N", "파라미터 수 N"),
    "passes": ("passes through the network", "신경망을 통과하는 횟수"),
    "numerical": ("numerical differentiation, 2N", "수치 미분, 2N"),
    "backpropagation": ("backpropagation", "역전파"),
    "slope": ("slope σ′(z) = a (1 − a)", "기울기 σ′(z) = a (1 − a)"),
    "forward": ("forward", "순전파"),
    "backward": ("backward", "역전파"),
    "layer": ("layer", "층"),
    "error norm": ("norm of the error ‖δ‖", "오차의 노름 ‖δ‖"),
    "too large": ("ReLU, weights × 2", "ReLU, 가중치 × 2"),
    "step": ("step", "스텝"),
    "query": ("query", "질의"),
    "key": ("key", "키"),
    "words": ("the cup was too big it", "그 컵은 너무 크다 상자 그것"),
    "column of X": ("column m of X", "X의 m열"),
    "column of G": ("column n of G", "G의 n열"),
    "entry": ("entry m, n of ∂L/∂W", "∂L/∂W의 (m, n) 성분"),
    "sum over rows": ("multiply row by row, and add", "행마다 곱해서 더한다"),
    "sgd": ("gradient descent", "경사 하강법"),
}
Say = Callable[..., str]


def secant(say: Say) -> str:
    """The loss of chapter 1 with its tangent and its secant at w = 1."""

    def loss(w: float) -> float:
        return float((3 * w**2 + 1) ** 2)

    h = 0.5
    ws = np.linspace(0.3, 1.6, 66)
    slope = (loss(1 + h) - loss(1 - h)) / (2 * h)
    # The line through both points, moved to nothing: it is the one that the central difference takes the slope of.
    lines = [
        ("L", ws, [loss(w) for w in ws]),
        (say("tangent", 48), [0.7, 1.6], [16 + 48 * (w - 1) for w in (0.7, 1.6)]),
        (say("secant", slope), [0.5, 1.5], [loss(0.5), loss(1.5)]),
    ]
    dots = [(1 - h, loss(1 - h)), (1 + h, loss(1 + h))]
    return drawing.line_chart(lines, say("dial"), say("loss"), dots=dots)


def passes(say: Say) -> str:
    """The number of passes against the number of parameters."""
    n = [10.0**k for k in range(13)]
    lines = [(say("numerical"), n, [2 * v for v in n]), (say("backpropagation"), n, [2.0] * len(n))]
    return drawing.line_chart(lines, say("parameters"), say("passes"), log_x=True, log_y=True)


def sigmoid(say: Say) -> str:
    """The sigmoid and its slope."""
    z = np.linspace(-6, 6, 97)
    a = 1 / (1 + np.exp(-z))
    return drawing.line_chart([("a = σ(z)", z, a), (say("slope"), z, a * (1 - a))], "z", "")


def ladder(say: Say) -> str:
    """Values up the layers, errors down, and the gradient of each layer's weights between them."""
    width, gap, wide, tall = 780, 205, 120, 54
    drawn = [drawing.text(say("forward") + " →", 70, 66, "soft"), drawing.text("← " + say("backward"), 70, 262, "soft")]
    names = [("a⁽⁰⁾ = x", ""), ("a⁽¹⁾", "δ⁽¹⁾"), ("a⁽²⁾", "δ⁽²⁾"), ("ŷ", "δ⁽³⁾ = ŷ − y")]
    for k, (value, error) in enumerate(names):
        x = 20 + gap * k
        drawn.append(drawing.box(x, 82, wide, tall, value))
        if error:
            drawn.append(drawing.box(x, 196, wide, tall, error))
        if k:
            drawn.append(drawing.arrow(x - gap + wide, 109, x, 109, "ink"))
            drawn.append(drawing.text(f"W⁽{'⁰¹²³'[k]}⁾", x - (gap - wide) / 2, 100, "t0"))
            gradient = f"∂L/∂W⁽{'⁰¹²³'[k]}⁾ = a⁽{'⁰¹²³'[k - 1]}⁾ᵀ δ⁽{'⁰¹²³'[k]}⁾"
            drawn.append(drawing.text(gradient, x - (gap - wide) / 2, 172, "t1"))
        if k > 1:
            drawn.append(drawing.arrow(x, 223, x - gap + wide, 223, "c1"))
            drawn.append(drawing.text(f"W⁽{'⁰¹²³'[k]}⁾ᵀ, σ′", x - (gap - wide) / 2, 214, "t1"))
    return drawing.picture(width, 290, drawn)


def linear(say: Say) -> str:
    """One entry of the gradient of W: a column of X with a column of G."""
    cell = 30
    drawn = []

    def matrix(x: float, y: float, rows: int, columns: int, name: str, chosen: Callable[[int, int], str]) -> None:
        drawn.append(drawing.text(name, x + cell * columns / 2, y - 12, "large"))
        for i in range(rows):
            for j in range(columns):
                place = {"x": x + cell * j, "y": y + cell * i, "width": cell - 2, "height": cell - 2, "rx": 3}
                drawn.append(drawing.tag("rect", **place, class_=chosen(i, j) or "frame"))

    matrix(40, 70, 5, 4, "X", lambda _, j: "f0" if j == 2 else "")
    matrix(250, 70, 5, 3, "G", lambda _, j: "f1" if j == 1 else "")
    matrix(440, 85, 4, 3, "∂L/∂W", lambda i, j: "f2" if (i, j) == (2, 1) else "")
    drawn += [
        drawing.text("⊙", 205, 150, "large"),
        drawing.text("→", 385, 150, "large"),
        drawing.text(say("column of X"), 100, 250, "t0"),
        drawing.text(say("column of G"), 295, 250, "t1"),
        drawing.text(say("entry"), 490, 250, "t2"),
        drawing.text(say("sum over rows"), 290, 280, "soft"),
    ]
    return drawing.picture(600, 300, drawn)


def flow(say: Say) -> str:
    """The norm of the error in twelve layers."""
    xavier, he = math.sqrt(1 / 32), math.sqrt(2 / 32)
    measured = {
        "sigmoid": experiments.norms(cr.sigmoid, xavier),
        "tanh": experiments.norms(cr.tanh, xavier),
        "ReLU": experiments.norms(cr.relu, he),
        say("too large"): experiments.norms(cr.relu, 2 * he),
    }
    lines = [(name, list(range(1, 13)), errors) for name, errors in measured.items()]
    return drawing.line_chart(lines, say("layer"), say("error norm"), log_y=True)


def attention(say: Say) -> str:
    """The weights of a small head for the six words of a sentence."""
    names = (
        ["the", "cup", "was", "too", "big", "it"]
        if say("key") == "key"
        else ["그", "컵은", "너무", "크다", "상자", "그것"]
    )
    rng = np.random.default_rng(3)
    q, k = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    weights = cr.softmax(q @ k.T / 2.0, axis=1)
    return drawing.heat_map(weights.tolist(), names, f"{say('query')} ↓", f"{say('key')} →")


def xor(say: Say) -> str:
    """The loss of XOR for twelve seeds."""
    steps = list(range(0, 1001, 10))
    runs = [experiments.xor_losses(seed) for seed in range(12)]
    lines = [("", steps, losses) for losses in runs]
    looks = ["c1" if losses[-1] > 0.1 else "c0 faint" for losses in runs]
    return drawing.line_chart(lines, say("step"), say("loss"), looks=looks)


def everyday(say: Say) -> str:
    """The loss of the everyday loop by gradient descent and by Adam."""
    lines = [(name, list(range(0, 201, 5)), experiments.everyday_losses(rule)) for name, rule in
             ((say("sgd"), "SGD"), ("Adam", "Adam"))]  # fmt: skip
    return drawing.line_chart(lines, say("step"), say("loss"))


def graphs(lang: str) -> dict[str, str]:
    """The graphs, as chainrule draws them; what needs a pointer is left out of a picture."""
    drawn = {
        "neuron": cr.graph(neuron.neuron, *neuron.ARGS, argnums=neuron.ARGNUMS, lang=lang).to_svg(),
        "two_layers": cr.graph(two_layers.network, *two_layers.ARGS, argnums=two_layers.ARGNUMS, lang=lang).to_svg(),
        "graph": cr.graph(graph.shared, *graph.ARGS, lang=lang).to_svg(animate=True),
    }
    hidden = ".cr-graph .hint,.cr-graph .tip{display:none}</style>"
    return {name: svg.replace("</style>", hidden, 1) for name, svg in drawn.items()}


CHARTS = (secant, passes, sigmoid, ladder, linear, flow, attention, xor, everyday)


def made() -> dict[str, str]:
    """Return every picture by its file's name."""
    files = {}
    for k, lang in enumerate(("en", "ko")):

        def say(key: str, *values: object, k: int = k) -> str:
            return WORDS[key][k].format(*values)

        files |= {f"{chart.__name__}.{lang}.svg": chart(say) for chart in CHARTS}
        files |= {f"{name}.{lang}.svg": svg for name, svg in graphs(lang).items()}
    return files


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, svg in made().items():
        (FOLDER / name).write_text(svg, encoding="utf-8")
