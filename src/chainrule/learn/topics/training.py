"""What training does with gradients: they vanish or explode through depth, are _clipped, and become Adam's steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.transforms.derivatives import grad
from chainrule.learn.draw import Draw
from chainrule.learn.lines import Worked
from chainrule.nn import Parameter
from chainrule.optim import Adam, clip_grad_norm_

from .topic import Topic


def _chain(given: Mapping[str, Any]) -> dict[str, Any]:
    def network(a: Any) -> Any:
        for slope in (given["s3"], given["s2"], given["s1"]):
            a = slope * (given["w"] * a)
        return a

    return {"g0": float(grad(network)(1.0))}


def _vanishing_solution(draw: Draw, level: int) -> Worked:
    slope = draw.choice([0.25, 0.2, 0.1]) if draw.integer(0, 1) else 1.0
    w = draw.choice([0.5, 2.0, -0.5, 4.0, -2.0])
    slopes = [slope] * 3 if level < 3 else [draw.choice([0.25, 0.2, 0.1, 1.0]) for _ in range(3)]
    given = {"w": w, "s1": slopes[0], "s2": slopes[1], "s3": slopes[2]}
    formulas = (
        r"g^{(2)} = s^{(1)} \cdot w",
        r"g^{(1)} = g^{(2)} \cdot s^{(2)} \cdot w",
        r"g^{(0)} = g^{(1)} \cdot s^{(3)} \cdot w",
    )
    return Worked(given, formulas, _chain)


VANISHING = Topic(
    "vanishing",
    ("Vanishing and exploding factors", "기울기 소실과 폭주의 인수"),
    _vanishing_solution,
    tables=True,
    said=(
        r"Three layers with the weight $w$ lie between the loss and the input. $s^{(k)}$ is the slope of the $k$-th "
        r"activation, counted from the loss, where the gradient is 1.",
        r"손실과 입력 사이에 가중치 $w$인 층이 셋 있습니다. $s^{(k)}$는 손실에서부터 센 $k$번째 활성화 함수의 "
        r"기울기이고, 손실에서의 기울기는 1입니다.",
    ),
)


def _clipped(given: Mapping[str, Any]) -> dict[str, Any]:
    parameter = Parameter(np.zeros(len(given["g"])))
    parameter.grad = np.array(given["g"])
    norm = clip_grad_norm_([parameter], given["c"])
    return {"n": float(norm), "h": np.array(parameter.grad)}


TRIPLES = ((3.0, 4.0), (6.0, 8.0), (5.0, 12.0), (8.0, 6.0), (0.6, 0.8), (-3.0, 4.0), (12.0, -5.0))


def _clipping_solution(draw: Draw, level: int) -> Worked:
    g = np.array(draw.choice(TRIPLES)) * (1.0 if level < 3 else draw.choice([0.5, 2.0]))
    given = {"g": g, "c": draw.choice([1.0, 2.0, 5.0])}
    formulas = (r"n = \sqrt{\sum_i g_i^2}", r"s = \min(1, c / n)", r"h = s \cdot g")
    return Worked(given, formulas, _clipped, _other_gradient, tolerance=1e-5)


def _other_gradient(draw: Draw) -> dict[str, Any]:
    return {"g": draw.uniform(2), "c": 0.5 + abs(draw.halves()) / 8}


CLIPPING = Topic(
    "clipping",
    ("Gradient clipping", "기울기 클리핑"),
    _clipping_solution,
    said=(
        r"The gradient $g$ is clipped to the norm $c$: $n$ is its norm, $s$ the factor, $h$ the clipped gradient.",
        r"기울기 $g$를 노름 $c$로 클리핑합니다. $n$은 노름, $s$는 배율, $h$는 클리핑한 기울기입니다.",
    ),
)


def _stepped(given: Mapping[str, Any]) -> dict[str, Any]:
    parameter = Parameter(np.array([float(given["p"])]))
    optimizer = Adam([parameter], lr=given["r"], betas=(given["beta1"], given["beta2"]), eps=1e-12)
    parameter.grad = np.array([float(given["g"])])
    optimizer.step()
    return {"q": float(parameter.data[0])}


def _adam_solution(draw: Draw, level: int) -> Worked:
    given = {
        **{"p": draw.whole(), "g": draw.whole(-4, 4) if level < 3 else draw.halves(-7, 7)},
        **{"r": draw.choice([0.1, 0.01, 0.5]), "beta1": 0.9, "beta2": draw.choice([0.99, 0.999])},
    }
    formulas = (
        r"m = (1 - \beta^{(1)}) \cdot g",
        r"v = (1 - \beta^{(2)}) \cdot g^2",
        r"\hat m = m / (1 - \beta^{(1)})",
        r"\hat v = v / (1 - \beta^{(2)})",
        r"q = p - r \cdot \hat m / \sqrt{\hat v}",
    )

    def spread(other: Draw) -> dict[str, Any]:
        p, g = other.uniform(2)
        return {"p": float(p), "g": float(g), "r": 0.3, "beta1": 0.7, "beta2": 0.8}

    return Worked(given, formulas, _stepped, spread)


ADAM = Topic(
    "adam",
    ("Adam's step", "Adam의 한 걸음"),
    _adam_solution,
    said=(
        r"The first step of Adam for the parameter $p$ with gradient $g$, learning rate $r$, and $\varepsilon = 0$ "
        r"(Kingma & Ba 2015): $m$ and $v$ start from zero, $q$ is the new parameter.",
        r"기울기가 $g$인 매개변수 $p$에 대한 Adam의 첫 걸음입니다. 학습률은 $r$, $\varepsilon = 0$입니다"
        r"(Kingma & Ba 2015). $m$과 $v$는 0에서 시작하고, $q$는 새 매개변수입니다.",
    ),
)
TOPICS = (VANISHING, CLIPPING, ADAM)
