"""The words and numbers of a computational graph, in English and Korean."""

import re
from decimal import ROUND_DOWN, Decimal
from typing import Any

import numpy as np

from chainrule.explain.derive.rests import MOVED
from chainrule.formula.functions import as_double
from chainrule.present.texts import Texts, Words
from chainrule.present.unicode_math import to_unicode

TEXT: Texts = {
    "title": {"en": "Computational graph", "ko": "계산 그래프"},
    "operation": {"en": "operation", "ko": "연산"},
    "parameter": {"en": "parameter", "ko": "매개변수"},
    "input": {"en": "input", "ko": "입력"},
    "constant": {"en": "constant", "ko": "상수"},
    "output": {"en": "loss", "ko": "손실"},
    "block": {"en": "repeated block", "ko": "반복 블록"},
    "earlier": {"en": "{n} earlier operations, not drawn", "ko": "앞선 연산 {n}개는 그리지 않음"},
    "earlier_short": {"en": "{n} earlier operations", "ko": "앞선 연산 {n}개"},
    "left_out": {
        "en": "Too large to draw: these are the last operations before the loss; {n} before them are left out.",
        "ko": "모두 그리기에는 너무 큽니다. 손실 바로 앞의 연산만 그렸고, 그 앞의 {n}개는 생략했습니다.",
    },
    "no_gradient": {
        "en": "The output has several elements, so there are no gradients: reduce it with .sum() or .mean().",
        "ko": "출력의 원소가 여러 개라서 기울기가 없습니다. .sum()이나 .mean()으로 줄이십시오.",
    },
    "forward": {"en": "forward", "ko": "순전파"},
    "backward": {"en": "backward", "ko": "역전파"},
    "order": {
        "en": "↓ order of the forward pass   ↑ order of the backward pass   ∂ gradient of the loss   ‖ ‖ norm",
        "ko": "↓ 순전파 순서   ↑ 역전파 순서   ∂ 손실의 기울기   ‖ ‖ 노름",
    },
    "hint": {
        "en": "Point at a box, tap it, or reach it with the tab key, to read its formula, gradients and source line.",
        "ko": "상자를 가리키거나 누르거나 탭 키로 이동하면 수식, 기울기, 소스 줄을 볼 수 있습니다.",
    },
    "shape": {"en": "shape", "ko": "모양"},
    "scalar": {"en": "scalar", "ko": "스칼라"},
    "value": {"en": "value", "ko": "값"},
    "gradient": {"en": "gradient", "ko": "기울기"},
    "argument": {"en": "argument", "ko": "인수"},
    "norm": {"en": "norm", "ko": "노름"},
    "mean": {"en": "mean", "ko": "평균"},
    "unknown": {"en": "not kept by the tape", "ko": "테이프에 남아 있지 않음"},
    "contents": {
        "en": "{operations} operations and {parameters} parameters in each copy",
        "ko": "사본마다 연산 {operations}개, 매개변수 {parameters}개",
    },
    "operations_each": {"en": "{operations} operations in each copy", "ko": "사본마다 연산 {operations}개"},
    "graph_of": {"en": "Graph of {operations} and {parameters}", "ko": "그래프: {operations}, {parameters}"},
    "folded_into": {"en": ", folded {times}", "ko": ", 접음 {times}"},
    "not_drawn": {"en": ", {n} not drawn", "ko": ", {n}개는 그리지 않음"},
    "operations_1": {"en": "{n} operation", "ko": "연산 {n}개"},
    "operations_n": {"en": "{n} operations", "ko": "연산 {n}개"},
    "parameters_1": {"en": "{n} parameter", "ko": "매개변수 {n}개"},
    "parameters_n": {"en": "{n} parameters", "ko": "매개변수 {n}개"},
    "fold": {"en": "{name} ×{n}: what is inside", "ko": "{name} ×{n}: 내부 구조"},
    "first": {
        "en": "The first copy is drawn; its values and gradients are its own.",
        "ko": "첫 번째 사본을 그렸습니다. 값과 기울기도 그 사본의 것입니다.",
    },
    "copy": {"en": "copy", "ko": "사본"},
    "norm_gradient": {"en": "norm of the gradient of its parameters", "ko": "매개변수 기울기의 노름"},
    "norm_output": {"en": "norm of its output", "ko": "출력의 노름"},
    "rules": {"en": "The operations and their rules", "ko": "연산과 그 미분 규칙"},
    "formula": {"en": "formula", "ko": "수식"},
    "local": {"en": "what its arguments get (x̄ is ∂L/∂x)", "ko": "인수로 전달되는 기울기(x̄는 ∂L/∂x)"},
    "uses": {"en": "uses", "ko": "횟수"},
    "reading": {
        "en": "Each box knows only its own formula and its local gradients. ↓ numbers the forward pass, which "
        "computes the values. ↑ numbers the backward pass: the gradient of the loss (∂) arrives from below, is "
        "multiplied by the local gradient, and goes up to the arguments; where a value is used several times, what "
        "comes back is added. Reverse mode is this one walk for all parameters; forward mode would walk down once for "
        "each of them.",
        "ko": "각 상자는 자신의 수식과 국소 기울기만 압니다. ↓는 값을 계산하는 순전파의 순서입니다. ↑는 역전파의 "
        "순서입니다. 손실의 기울기(∂)가 아래에서 올라와 국소 기울기와 곱해진 뒤 인수로 전달되고, 여러 번 쓰인 값에는 "
        "돌아온 기울기를 모두 더합니다. 역방향 모드는 한 번의 진행으로 모든 매개변수의 기울기를 구하고, 순방향 모드는 "
        "매개변수마다 한 번씩 내려가야 합니다.",
    },
    "region": {"en": "{name}: drawing, scrollable", "ko": "{name}: 스크롤할 수 있는 그림"},
}


# Numbers


def number(x: Any, digits: int = 6) -> str:
    """Return a number exactly if that is short, else its first digits, truncated and not rounded, and an ellipsis.

    >>> number(0.5), number(0.7502601055951177), number(-1.25e-9), number(3), number(2e-13 / 3)
    ('0.5', '0.750260…', '−1.25e-9', '3', '6.66666…e-14')
    """
    if isinstance(x, bool | np.bool_ | int | np.integer) or not np.isfinite(x):
        return str(x).replace("-", "−")
    exact = Decimal(str(x))
    sign, digit_tuple, _ = exact.as_tuple()
    ten = exact.adjusted() if exact else 0
    text = "".join(map(str, digit_tuple)).rstrip("0") or "0"
    cut = "…" if len(text) > digits else ""
    shown = Decimal((sign, tuple(map(int, text[:digits])), 0)).scaleb(ten - len(text[:digits]) + 1)
    if -5 <= ten < 7:
        plain = f"{shown:f}" + ("0" * (digits - len(text[:digits])) if cut else "")
        return plain.replace("-", "−") + cut
    mantissa = shown.scaleb(-ten).normalize().quantize(Decimal(10) ** (1 - len(text[:digits])), ROUND_DOWN)
    return f"{mantissa:f}".replace("-", "−") + cut + f"e{ten}"


def short(x: Any) -> str:
    """Return a summary statistic, rounded to three digits."""
    return f"{float(x):.3g}".replace("-", "−").replace("e−0", "e−").replace("e+0", "e")


def shape_text(shape: Any, lang: str = "en") -> str:
    """Return a shape as `5×8`, or the word for a scalar."""
    return "×".join(map(str, shape)) or TEXT["scalar"][lang]


def norm(x: Any) -> float:
    """Return the Euclidean norm of all elements, in float64."""
    return float(np.linalg.norm(as_double(x).ravel()))


def describe(x: Any, lang: str) -> str:
    """Return a value in full: a scalar exactly, an array by its norm and mean."""
    words = Words(TEXT, lang)
    if x is None:
        return words["unknown"]
    if np.ndim(x) == 0:
        return str(np.asarray(x).item())
    if np.asarray(x).dtype.kind not in "fiub" or np.size(x) == 0:
        return shape_text(np.shape(x))
    return f"{words['norm']} {short(norm(x))}, {words['mean']} {short(_mean(x))}"


def _mean(x: Any) -> float:
    """Return an array's mean; 0 where it is no more than the rounding of a sum that cancels.

    >>> _mean([0.1, 0.2, -0.3]), _mean([0.1, 0.2, -0.3 + 1e-9]) > 0
    (0.0, True)
    """
    values = np.asarray(x)
    mean = float(np.mean(values, dtype=np.float64))
    kind = values.dtype if values.dtype.kind == "f" else np.float64
    return 0.0 if abs(mean) <= MOVED * np.finfo(kind).eps * np.mean(np.abs(values), dtype=np.float64) else mean


def amount(x: Any) -> str:
    """Return a value's text in a label: a scalar itself, an array's norm, nothing if it is unknown."""
    if x is None:
        return ""
    if np.ndim(x) == 0:
        return number(np.asarray(x).item())
    return f"‖{short(norm(x))}‖" if np.asarray(x).dtype.kind == "f" else ""


def symbol_of(op: Any, name: str) -> str:
    """Return an operation's name in a drawing: its record's symbol, or its name in words."""
    return str(op.symbol or name.replace("_", " "))


def formula_text(op: Any) -> str:
    """Return an operation's formula as a line of text; empty if it has none."""
    latex = op.formulas().get("primal", "") if hasattr(op, "formulas") else ""
    return to_unicode(re.sub(r"\}\s+\{", "}{", latex)) if latex else ""
