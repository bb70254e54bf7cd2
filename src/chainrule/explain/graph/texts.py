"""The words and numbers of a computational graph, in English and Korean."""

import re
from decimal import ROUND_DOWN, Decimal
from typing import Any

import numpy as np

from chainrule.present.unicode_math import to_unicode

TEXT = {
    "en": {
        "title": "Computational graph",
        "operation": "operation",
        "parameter": "parameter",
        "input": "input",
        "constant": "constant",
        "output": "loss",
        "block": "repeated block",
        "earlier": "{n} earlier operations, not drawn",
        "earlier_short": "{n} earlier operations",
        "left_out": "Too large to draw: these are the last operations before the loss; {n} before them are left out.",
        "no_gradient": "The output has several elements, so there are no gradients: reduce it with .sum() or .mean().",
        "forward": "forward",
        "backward": "backward",
        "order": "↓ order of the forward pass   ↑ order of the backward pass   ∂ gradient of the loss   ‖ ‖ norm",
        "hint": "Point at a box, or reach it with the tab key, to read its formula and source line.",
        "shape": "shape",
        "scalar": "scalar",
        "value": "value",
        "gradient": "gradient",
        "argument": "argument",
        "norm": "norm",
        "mean": "mean",
        "unknown": "not kept by the tape",
        "copies": "{n} copies",
        "contents": "{operations} operations and {parameters} parameters in each copy",
        "line": "line",
        "summary": "{operations} operations, {parameters} parameters",
        "fold": "{name} ×{n}: what is inside",
        "first": "The first copy is drawn; its values and gradients are its own.",
        "copy": "copy",
        "norm_gradient": "norm of the gradient of its parameters",
        "norm_output": "norm of its output",
        "rules": "The operations and their local gradients",
        "formula": "formula",
        "local": "local gradients",
        "uses": "uses",
        "reading": "Each box knows only its own formula and its local gradients. ↓ numbers the forward pass, which "
        "computes the values. ↑ numbers the backward pass: the gradient of the loss (∂) arrives from below, is "
        "multiplied by the local gradient, and goes up to the arguments; where a value is used several times, what "
        "comes back is added. Reverse mode is this one walk for all parameters; forward mode would walk down once for "
        "each of them.",
        "region": "drawing, scrollable",
    },
    "ko": {
        "title": "계산 그래프",
        "operation": "연산",
        "parameter": "매개변수",
        "input": "입력",
        "constant": "상수",
        "output": "손실",
        "block": "반복 블록",
        "earlier": "앞선 연산 {n}개는 그리지 않음",
        "earlier_short": "앞선 연산 {n}개",
        "left_out": "모두 그리기에는 너무 큽니다. 손실 바로 앞의 연산만 그렸고, 그 앞의 {n}개는 생략했습니다.",
        "no_gradient": "출력의 원소가 여러 개라서 기울기가 없습니다. .sum()이나 .mean()으로 줄이십시오.",
        "forward": "순전파",
        "backward": "역전파",
        "order": "↓ 순전파 순서   ↑ 역전파 순서   ∂ 손실의 기울기   ‖ ‖ 노름",
        "hint": "상자를 가리키거나 탭 키로 이동하면 수식과 소스 줄을 볼 수 있습니다.",
        "shape": "모양",
        "scalar": "스칼라",
        "value": "값",
        "gradient": "기울기",
        "argument": "인자",
        "norm": "노름",
        "mean": "평균",
        "unknown": "테이프에 남아 있지 않음",
        "copies": "사본 {n}개",
        "contents": "사본마다 연산 {operations}개, 매개변수 {parameters}개",
        "line": "줄",
        "summary": "연산 {operations}개, 매개변수 {parameters}개",
        "fold": "{name} ×{n}: 내부 구조",
        "first": "첫 번째 사본을 그렸습니다. 값과 기울기도 그 사본의 것입니다.",
        "copy": "사본",
        "norm_gradient": "매개변수 기울기의 노름",
        "norm_output": "출력의 노름",
        "rules": "연산과 국소 기울기",
        "formula": "수식",
        "local": "국소 기울기",
        "uses": "횟수",
        "reading": "각 상자는 자신의 수식과 국소 기울기만 압니다. ↓는 값을 계산하는 순전파의 순서입니다. ↑는 역전파의 "
        "순서입니다. 손실의 기울기(∂)가 아래에서 올라와 국소 기울기와 곱해진 뒤 인자로 전달되고, 여러 번 쓰인 값에는 "
        "돌아온 기울기를 모두 더합니다. 역방향 미분은 한 번의 진행으로 모든 매개변수의 기울기를 구하고, 전방 미분은 "
        "매개변수마다 한 번씩 내려가야 합니다.",
        "region": "스크롤할 수 있는 그림",
    },
}


def check_lang(lang: str) -> None:
    """Raise a ValueError unless there is a catalogue for this language."""
    if lang not in TEXT:
        raise ValueError(f"graph: lang: expected one of {', '.join(TEXT)}, got {lang!r}")


# Numbers


def number(x: Any, digits: int = 6) -> str:
    """Return a number as it is where that is short, else its first digits, cut and not rounded, and an ellipsis.

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
    return "×".join(map(str, shape)) or TEXT[lang]["scalar"]


def norm(x: Any) -> float:
    """Return the Euclidean norm of all elements, in float64."""
    return float(np.linalg.norm(np.asarray(x, np.float64).ravel()))


def describe(x: Any, lang: str) -> str:
    """Return a value in full: a scalar exactly, an array by its norm and mean."""
    words = TEXT[lang]
    if x is None:
        return words["unknown"]
    if np.ndim(x) == 0:
        return str(np.asarray(x).item())
    if np.asarray(x).dtype.kind not in "fiub" or np.size(x) == 0:
        return shape_text(np.shape(x))
    return f"{words['norm']} {short(norm(x))}, {words['mean']} {short(np.mean(x, dtype=np.float64))}"


def amount(x: Any) -> str:
    """Return what a label shows of a value: a scalar itself, an array's norm; nothing for what is not known."""
    if x is None:
        return ""
    if np.ndim(x) == 0:
        return number(np.asarray(x).item())
    return f"‖{short(norm(x))}‖" if np.asarray(x).dtype.kind == "f" else ""


def symbol_of(op: Any, name: str) -> str:
    """Return what a drawing calls an operation: its record's symbol, or its name in words."""
    return str(op.symbol or name.replace("_", " "))


def formula_text(op: Any) -> str:
    """Return an operation's formula as a line of text; empty where it has none."""
    latex = op.formulas().get("primal", "") if hasattr(op, "formulas") else ""
    return to_unicode(re.sub(r"\}\s+\{", "}{", latex)) if latex else ""
