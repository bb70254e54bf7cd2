"""The words of a check's reports, in English and Korean."""

import math
import re
from typing import Any

from chainrule.present.texts import Texts, Words

from . import korean
from .found import Checked

RAISED = re.compile(r".* raised \w+: ", re.DOTALL)
"""How the message of a finding starts that is an exception."""

TEXT: Texts = {
    "title": {"en": "Gradient check", "ko": "기울기 검사"},
    # What a verdict is called, and what it means
    "verdict right": {"en": "right", "ko": "맞음"},
    "verdict wrong": {"en": "wrong", "ko": "틀림"},
    "verdict kink": {"en": "kink", "ko": "꺾인 점"},
    "verdict step-size-noise": {"en": "step-size-noise", "ko": "판단 불가(간격)"},
    "verdict dtype-too-coarse": {"en": "dtype-too-coarse", "ko": "판단 불가(정밀도)"},
    "verdict non-deterministic": {"en": "non-deterministic", "ko": "실행마다 다름"},
    "verdict mutates-input": {"en": "mutates-input", "ko": "입력을 바꿈"},
    "verdict overlapping-memory": {"en": "overlapping-memory", "ko": "메모리 공유"},
    "verdict shape": {"en": "shape", "ko": "모양이 틀림"},
    "verdict dtype": {"en": "dtype", "ko": "dtype이 틀림"},
    "verdict missing": {"en": "missing", "ko": "기울기 없음"},
    "verdict signature": {"en": "signature", "ko": "호출 형식이 틀림"},
    "verdict raises": {"en": "raises", "ko": "예외 발생"},
    "verdict not-finite": {"en": "not-finite", "ko": "유한하지 않음"},
    "meaning right": {"en": "The gradient is right.", "ko": "기울기가 맞습니다."},
    "meaning wrong": {"en": "The gradient is wrong.", "ko": "기울기가 틀립니다."},
    "meaning kink": {
        "en": "The point lies on a kink, and the gradient there is a slope of one side or between the two.",
        "ko": "이 점에서 함수가 꺾입니다. 기울기는 한쪽의 값이거나 두 값 사이에 있습니다.",
    },
    "meaning step-size-noise": {
        "en": "No step shows the derivative well enough to decide.",
        "ko": "어떤 간격에서도 미분값이 충분히 뚜렷하지 않아 판단할 수 없습니다.",
    },
    "value changes": {
        "en": "Differentiating it changes its value.",
        "ko": "미분할 때의 값이 함수의 값과 다릅니다.",
    },
    "meaning dtype-too-coarse": {
        "en": "The arithmetic is too coarse to decide.",
        "ko": "계산의 정밀도가 낮아 판단할 수 없습니다.",
    },
    "meaning non-deterministic": {"en": "Two runs differ.", "ko": "두 번 실행한 결과가 서로 다릅니다."},
    "meaning mutates-input": {"en": "An input is changed in place.", "ko": "입력이 제자리에서 바뀝니다."},
    "meaning overlapping-memory": {"en": "Inputs share memory.", "ko": "입력들이 메모리를 공유합니다."},
    "meaning shape": {"en": "A gradient has a wrong shape.", "ko": "기울기의 모양이 틀립니다."},
    "meaning dtype": {"en": "A gradient has a wrong dtype.", "ko": "기울기의 dtype이 틀립니다."},
    "meaning missing": {"en": "A gradient is missing.", "ko": "기울기가 없습니다."},
    "meaning signature": {"en": "The number of gradients is wrong.", "ko": "기울기의 개수가 틀립니다."},
    "meaning raises": {"en": "An exception was raised.", "ko": "예외가 발생했습니다."},
    "meaning not-finite": {"en": "A value or a gradient is not finite.", "ko": "값이나 기울기가 유한하지 않습니다."},
    # What a reason is called
    "code sign": {"en": "sign", "ko": "부호"},
    "code factor": {"en": "factor", "ko": "상수 배"},
    "code transposed": {"en": "transposed", "ko": "전치"},
    "code axes-swapped": {"en": "axes-swapped", "ko": "축이 바뀜"},
    "code broadcast-sum": {"en": "broadcast-sum", "ko": "브로드캐스트 합"},
    "code missing-term": {"en": "missing-term", "ko": "빠진 항"},
    "code other-argument": {"en": "other-argument", "ko": "다른 인수의 기울기"},
    "code output-for-input": {"en": "output-for-input", "ko": "입력 대신 출력"},
    "code wrong-point": {"en": "wrong-point", "ko": "다른 점에서의 미분"},
    "code partial": {"en": "partial", "ko": "일부만 틀림"},
    "code detached": {"en": "detached", "ko": "끊긴 경로"},
    "code accumulated-twice": {"en": "accumulated-twice", "ko": "두 번 더함"},
    "code shifted": {"en": "shifted", "ko": "자리가 밀림"},
    "code square-only": {"en": "square-only", "ko": "정사각일 때만 맞음"},
    "code mask": {"en": "mask", "ko": "마스크"},
    "code stride": {"en": "stride", "ko": "보폭"},
    "code padding": {"en": "padding", "ko": "패딩"},
    "code epsilon": {"en": "epsilon", "ko": "ε의 위치"},
    "code other-value": {"en": "other-value", "ko": "다른 값"},
    "code straight-through": {"en": "straight-through", "ko": "직통 추정(straight-through)"},
    "code gradient-reversal": {"en": "gradient-reversal", "ko": "기울기 반전"},
    "code gradient-scaling": {"en": "gradient-scaling", "ko": "기울기 배율"},
    "code approximate": {"en": "approximate", "ko": "근사"},
    "code unexplained": {"en": "unexplained", "ko": "설명되지 않음"},
    # A finding
    "analytic": {"en": "the gradient says", "ko": "주어진 기울기"},
    "numeric": {"en": "measured", "ko": "측정한 값"},
    "error": {"en": "relative error", "ko": "상대 오차"},
    "compared": {
        "en": "analytic {analytic:.6g}, numeric {numeric:.6g}, relative error {error:.1e}",
        "ko": "주어진 기울기 {analytic:.6g}, 측정한 값 {numeric:.6g}, 상대 오차 {error:.1e}",
    },
    "expected": {"en": "expected", "ko": "올바른 식"},
    "written": {"en": "written", "ko": "쓰인 식"},
    "line": {"en": "line {n}", "ko": "{n}행"},
    "first_wrong": {"en": "first wrong value", "ko": "처음으로 틀린 값"},
    "where": {"en": "where", "ko": "위치"},
    "why": {"en": "Why", "ko": "원인"},
    "why_of": {"en": "Why, {name}", "ko": "{name}의 원인"},
    "why_line": {"en": "why", "ko": "원인"},
    "explains": {"en": "explains {share} of the error", "ko": "오차의 {share}를 설명"},
    "explains_line": {"en": "explains {share}", "ko": "오차의 {share} 설명"},
    "reproduce": {"en": "To see it again", "ko": "다시 확인하려면"},
    "reproduce_line": {"en": "reproduce", "ko": "다시 확인하려면"},
    "and_more": {"en": "and {n} more in .findings", "ko": "그 밖에 .findings에 {n}개"},
    # Its pictures
    "heat_map": {"en": "Relative error of each element of {name}, {shape}", "ko": "{name}의 원소별 상대 오차, {shape}"},
    "pooled": {
        "en": "Each cell stands for the worst of {rows} × {columns} elements.",
        "ko": "한 칸은 원소 {rows} × {columns}개 가운데 오차가 가장 큰 것을 나타냅니다.",
    },
    "largest": {
        "en": "The {shown} largest of {total} errors.",
        "ko": "오차 {total}개 가운데 가장 큰 {shown}개입니다.",
    },
    "element": {"en": "element", "ko": "원소"},
    "distance": {
        "en": "Numerical derivative: distance from its limit, by step ({name})",
        "ko": "간격에 따른 수치 미분과 그 극한의 차이({name})",
    },
    "distance_line": {"en": "relative distance", "ko": "상대적인 차이"},
    "given": {"en": "the gradient under check", "ko": "검사한 기울기"},
    "step": {"en": "step h (relative to the argument)", "ko": "간격 h (인수의 크기에 대한 비)"},
    # What was covered
    "checked": {"en": "What was checked", "ko": "검사한 범위"},
    "checked_line": {"en": "Checked", "ko": "검사한 범위"},
    "shapes_only": {"en": "shapes only", "ko": "모양만"},
    "not_compared": {"en": "not compared", "ko": "비교하지 않음"},
    "all_elements": {"en": "all {total} elements", "ko": "원소 {total}개 전부"},
    "some_elements": {"en": "{entries} of {total} elements", "ko": "원소 {total}개 중 {entries}개"},
    "with_projections": {
        "en": "{covered} and {n} random projections over all of them",
        "ko": "{covered}와 전체에 대한 임의 투영 {n}개",
    },
    "arguments": {"en": "{n} arguments", "ko": "인수 {n}개"},
    "one_argument": {"en": "1 argument", "ko": "인수 1개"},
    "worst_error": {"en": "worst relative error {worst:.1e}", "ko": "최대 상대 오차 {worst:.1e}"},
    "would_be_found": {
        "en": "an error of {limit:.1e} × rms(gradient) in any one element would have been found",
        "ko": "어느 한 원소에 {limit:.1e} × rms(기울기)의 오차만 있어도 찾았을 것입니다",
    },
    "evaluated": {"en": "{n} evaluations", "ko": "{n}번 계산"},
    "argument": {"en": "argument", "ko": "인수"},
    "shape": {"en": "shape", "ko": "모양"},
    "number": {"en": "number", "ko": "수"},
    "entries": {"en": "elements", "ko": "원소"},
    "projections": {"en": "projections", "ko": "투영"},
    "worst": {"en": "worst error", "ko": "최대 오차"},
    "limit": {"en": "limit", "ko": "검출 한계"},
    "verdict": {"en": "verdict", "ko": "판정"},
    "entries_text": {
        "en": "how many elements were each moved on its own",
        "ko": "하나씩 따로 움직여 본 원소의 수",
    },
    "projections_text": {
        "en": "how many times all elements were moved at once, along a random direction",
        "ko": "모든 원소를 임의의 방향으로 한꺼번에 움직여 본 횟수",
    },
    "worst_text": {
        "en": "the largest relative error between the gradient and the measurement",
        "ko": "기울기와 측정한 값 사이의 가장 큰 상대 오차",
    },
    "limit_text": {
        "en": "the smallest error in any one element, as a share of the root mean square of the gradient, that would "
        "have been found",
        "ko": "어느 한 원소에 있더라도 찾아냈을 가장 작은 오차(기울기의 제곱평균제곱근에 대한 비)",
    },
    "modes": {"en": "Forward and reverse mode", "ko": "순방향 모드와 역방향 모드"},
    "evaluations": {"en": "{n} evaluations of the function.", "ko": "함수를 {n}번 계산했습니다."},
}


def meaning(report: Checked, t: Words) -> str:
    """Return what a report's verdict means; a wrong shape or call may also have shown as an exception."""
    first = next((f for f in report.findings if f.verdict == report.verdict), None)
    if first is not None and RAISED.match(first.message):
        return t["meaning raises"]
    codes = {f.code for f in report.findings if f.verdict == report.verdict}
    return t["value changes" if codes == {"other-value"} else f"meaning {report.verdict}"]


def said(text: str, lang: str) -> str:
    """Return a finding's message, or a note, in a language."""
    return korean.sentence(text) if lang == "ko" else text


def reason(hypothesis: Any, lang: str) -> str:
    """Return what a hypothesis says in a language."""
    return korean.reason(hypothesis.code, hypothesis.detail) if lang == "ko" else str(hypothesis.detail["text"])


def formula(text: str, lang: str) -> str:
    """Return a gradient's formula, and what it is the gradient of, in a language."""
    gradient, _, function = text.rpartition(" for ")
    return f"{gradient} ({function}일 때)" if lang == "ko" and gradient else text


def share(hypothesis: Any) -> str:
    """Return the share of the error that a hypothesis explains; an empty string where there is none to explain."""
    none = hypothesis.code == "unexplained" or math.isnan(hypothesis.explained)
    return "" if none else f"{hypothesis.explained:.0%}"


def code_name(code: str, t: Words) -> str:
    """Return what a reason is called; one that a rewritten program gave is called by what was rewritten."""
    return t.get(f"code {code}", code)
