"""Computational graphs: several uses of a value, both modes, a linear map by indices, broadcasting."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.transforms.derivatives import jvp
from chainrule.learn.draw import Draw
from chainrule.learn.lines import Scene, Worked

from .topic import Topic


def _shared(x: Any, y: Any) -> Any:
    a = x * y
    b = a + x
    return a * b


def _diamond(x: Any, y: Any, z: Any) -> Any:
    a = x + y
    b = a * z
    c = a - x
    return b * c + b


def _graph_scene(draw: Draw, level: int) -> Scene:
    names = ("x", "y") if level < 3 else ("x", "y", "z")
    return Scene(_shared if level < 3 else _diamond, {name: draw.whole(-4, 4) for name in names}, names)


GRAPH = Topic("graph", ("Computational graphs", "계산 그래프"), _graph_scene)


def _product(x: Any, y: Any) -> Any:
    return (x * y + x) ** 2


def _tangents(given: Mapping[str, Any]) -> dict[str, Any]:
    value, tangent = jvp(_product, (given["x"], given["y"]), (given["s"], given["t"]))
    return {"c": float(value), "c_dot": float(tangent)}


def _modes_solution(draw: Draw, level: int) -> Worked:
    s, t = (1.0, 0.0) if level < 3 else (draw.whole(), draw.whole())
    given = {"x": draw.whole(), "y": draw.whole(), "s": s, "t": t}
    formulas = (
        r"a = x \cdot y",
        r"b = a + x",
        r"c = b^2",
        r"\dot a = s \cdot y + x \cdot t",
        r"\dot b = \dot a + s",
        r"\dot c = 2 \cdot b \cdot \dot b",
    )
    return Worked(given, formulas, _tangents, asked=("a_dot", "b_dot", "c_dot"))


MODES = Topic(
    "modes",
    ("Forward and reverse mode", "순방향 모드와 역방향 모드"),
    _modes_solution,
    said=(
        r"In forward mode each value carries its tangent: $\dot x = s$ and $\dot y = t$. One pass gives one "
        r"directional derivative of all outputs.",
        r"순방향 모드에서는 값마다 접선값을 함께 계산합니다. $\dot x = s$, $\dot y = t$입니다. 한 번의 전달로 모든 "
        r"출력의 방향 도함수 하나를 얻습니다.",
    ),
)


def _linear(W: Any, x: Any, C: Any) -> Any:
    Y = x @ W
    return np.sum(C * Y)


def _linear_scene(draw: Draw, level: int) -> Scene:
    n = 1 if level < 3 else 2
    given = {"W": draw.array(2, 2), "x": draw.array(n, 2), "C": draw.array(n, 2)}
    return Scene(_linear, given, ("W", "x"))


LINEAR = Topic(
    "linear",
    ("A linear map by indices", "첨자로 보는 선형 변환"),
    _linear_scene,
    """
def backward(W, x, C):
    dY = C
    dW = x.T @ dY
    dx = dY @ W.T
    return dW, dx
""",
)


def _biased(x: Any, b: Any, s: Any) -> Any:
    y = s * x + b
    return 0.5 * np.sum(y**2)


def _broadcasting_scene(draw: Draw, level: int) -> Scene:
    given = {"x": draw.array(2, 2 if level < 3 else 3), "b": draw.array(2 if level < 3 else 3), "s": draw.whole(-2, 2)}
    return Scene(_biased, given, ("b", "s"))


BROADCASTING = Topic(
    "broadcasting",
    ("Broadcasting and bias", "브로드캐스팅과 편향"),
    _broadcasting_scene,
    """
def backward(x, b, s):
    y = s * x + b
    dy = y
    db = dy.sum(axis=0)
    ds = (dy * x).sum()
    return db, ds
""",
)
TOPICS = (GRAPH, MODES, LINEAR, BROADCASTING)
