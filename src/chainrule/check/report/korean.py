"""What a check says, in Korean.

A reason is said from its code and its data; what was seen is translated by the pattern of its sentence, which holds the
numbers. An exception's own text, code and the names of arguments stay as they are.
"""

import re
from collections.abc import Mapping
from typing import Any

from chainrule.present.texts import filled

from .korean_changes import change
from .korean_factors import meaning
from .korean_reasons import fitted

REASONS: Mapping[str, str] = {
    "sign": "기울기의 부호가 반대입니다",
    "factor": "기울기가 올바른 값의 {factor}배입니다",
    "transposed": "전치(transpose)가 빠졌거나 한 번 더 들어갔습니다",
    "axes-swapped": "축의 순서나 방향이 틀립니다",
    "broadcast-sum": "브로드캐스트된 축에 대한 합이 빠졌거나 축이 틀립니다",
    "missing-term": "연쇄 법칙의 항이나 인수가 빠졌거나 틀립니다",
    "other-argument": "다른 값이 쓰였습니다",
    "output-for-input": "입력이 필요한 자리에 출력이 쓰였거나 그 반대입니다",
    "wrong-point": "다른 점에서 계산한 국소 기울기입니다",
    "partial": "기울기가 일부에서만 맞습니다",
    "detached": "기울기가 전달되지 않는 경로가 있습니다",
    "accumulated-twice": "기여가 두 번 더해졌습니다",
    "shifted": "자리가 밀려 있습니다",
    "square-only": "두 축의 길이가 같을 때만 맞습니다: 두 축을 혼동합니다",
    "mask": "마스크가 틀립니다: 비교하는 값이나 경계를 확인하십시오",
    "stride": "보폭(stride)이 빠졌거나 틀립니다",
    "padding": "패딩(padding)만큼 자리가 밀려 있습니다",
    "epsilon": "ε이 제곱근의 안팎 중 틀린 쪽에 있습니다",
    "other-value": "함수와 다른 값을 돌려줍니다",
    "straight-through": "함수는 이 점에서 평평한데(측정한 기울기는 모두 0) 기울기를 통과시킵니다. "
    "의도한 것이면 expected='straight-through'를 주십시오",
    "gradient-reversal": "입력을 그대로 내보내고 기울기만 {factor}배로 뒤집습니다. "
    "의도한 것이면 expected='gradient-reversal'을 주십시오",
    "gradient-scaling": "입력을 그대로 내보내고 기울기만 {factor}배로 키우거나 줄입니다. "
    "의도한 것이면 expected='gradient-scaling'을 주십시오",
    "approximate": "기울기가 {size}의 상대 오차까지만 맞고, 나머지를 설명하는 실수는 없습니다. 반올림한 수, "
    "한쪽에만 있는 작은 ε, 허용 오차에서 멈추는 풀이법(solver) 때문일 수 있습니다. 의도한 것이면 "
    "expected='approximate'를 주십시오",
    "unexplained": "알려진 실수로는 오차가 설명되지 않습니다",
}
"""What each reason says; behind it come its place and its data."""

DATA = (
    ("argument", "인수 {}"),
    ("term", "항 {}"),
    ("axes", "축 {}"),
    ("rows", "위치 {}"),
    ("shift", "{}칸"),
    ("shapes", "모양 {}"),
)
"""The data of a reason that are shown, in this order."""

NUMBER = r"(\S+?)"
SENTENCES: tuple[tuple[str, str], ...] = (
    (r"the gradient is wrong", "기울기가 틀립니다"),
    (
        r"differentiating it changes its value: (\S+)( at \[.*\])? instead of (\S+)",
        "미분할 때의 값이 {2}{이} 아니라 {0}입니다{1}",
    ),
    (r"the gradient is wrong in (.*) of (\d+): (.*)", "원소 {1}개 가운데 다음에서 기울기가 틀립니다: {2}"),
    (
        r"the gradient is wrong(?: .*)?; for the same reason, so (?:is that|are those) of (.*)",
        "기울기가 틀립니다. 같은 이유로 {0}의 기울기도 틀립니다",
    ),
    (
        r"along a direction of all elements of (.*?): the gradient is wrong",
        "{0}의 원소를 한꺼번에 움직이면 기울기가 틀립니다",
    ),
    (r"along a direction of all elements of (.*?): (.*)", "{0}의 원소를 한꺼번에 움직일 때: {1}"),
    (r"the gradient is wrong (.*)", "기울기가 틀립니다 ({0})"),
    (
        r"the gradient is zero or None, but the function changes along (?:this element|a random direction)",
        "기울기가 0이거나 None인데 함수는 변합니다",
    ),
    (
        r"a kink: the slope(.*) is (\S+) on the left and (\S+) on the right(.*)",
        "꺾인 점: 왼쪽 기울기 {1}, 오른쪽 기울기 {2}",
    ),
    (r"a kink: (\S+) changes its branch at element (.*), and .*", "꺾인 점: {0} 연산의 분기가 원소 {1}에서 바뀝니다"),
    (
        r"the function raised (\w+) where its arguments are moved a little: (.*)",
        "인수를 조금 움직이자 함수에서 {0} 예외가 발생했습니다: {1}",
    ),
    (r"(.*) raised (\w+): (.*)", "{0}에서 {1} 예외가 발생했습니다: {2}"),
    (
        r"computed in (\w+): (.*); make the code .*",
        "{0}{으로} 계산되어 정밀도가 부족합니다. float64를 받게 하거나 작은 예로 검사하십시오",
    ),
    (r"rounding hides an error as large as .*", "반올림 오차가 기울기의 100분의 1보다 큰 오차를 가립니다"),
    (r"no step shows the derivative well enough", "어떤 간격에서도 미분값이 충분히 뚜렷하지 않습니다"),
    (
        r"(?:jvp: )?the (?:gradient|tangent) has shape (\[.*?\]), expected (\[.*?\]).*",
        "기울기의 모양이 {0}입니다. 필요한 모양은 {1}입니다",
    ),
    (r"the gradient has dtype (\w+), expected (\w+).*", "기울기의 dtype이 {0}입니다. 필요한 dtype은 {1}입니다"),
    (
        r"a second backward pass gives no gradient of that shape",
        "역전파를 다시 하면 같은 모양의 기울기가 나오지 않습니다",
    ),
    (
        r"(?:the function's value|the gradient) is (\S+) \((\d+) of (\d+) elements are not finite\)",
        "값이 {0}입니다 (원소 {2}개 중 {1}개가 유한하지 않음)",
    ),
    (
        r"(?:the function|the gradient) has shape (\[.*?\]) in one run and (\[.*?\]) in the next",
        "실행할 때마다 모양이 다릅니다: {0}, {1}",
    ),
    (
        r"(?:the function|the gradient) is (\S+) in one run and (\S+) in the next \((\d+) of (\d+) elements differ\).*",
        "실행할 때마다 값이 다릅니다: {0}, {1} (원소 {3}개 중 {2}개). "
        "난수를 고정하십시오: dropout은 .eval(), 함수 안에서는 시드를 준 생성기",
    ),
    (
        r"the (forward|backward) pass changes it in place \(from (\S+) to (\S+)\).*",
        "계산 중에 이 값이 제자리에서 바뀝니다 ({1}에서 {2}{으로}). 복사본을 쓰십시오",
    ),
    (r"it is written to in place, .*", "제자리에서 쓰입니다(여기서는 값이 그대로입니다). 복사본을 쓰십시오"),
    (
        r"several of its elements are one number in memory .*",
        "여러 원소가 메모리의 한 수입니다(브로드캐스트 뷰). 복사본을 주십시오",
    ),
    (r"it shares memory with (.*): a change .*", "{0}{과} 메모리를 공유합니다. 복사본을 주십시오"),
    (
        r"forward mode \(jvp\) disagrees with reverse mode and with numerical differentiation",
        "순방향 모드(jvp)가 역방향 모드 및 수치 미분과 다릅니다",
    ),
    (
        r"the gradient is right here, where axes have equal lengths, and wrong with (.*): it confuses two axes",
        "축의 길이가 같은 여기서는 맞지만 {0}에서는 틀립니다: 두 축을 혼동합니다",
    ),
    (
        r"(.*) returned (\d+) gradients?, expected one for each of the (\d+) .*",
        "{0}{이} 기울기를 {1}개 돌려주었습니다. 필요한 수는 {2}개입니다",
    ),
    (r"the adjoint identity holds", "수반 항등식 성립"),
    (r"the two modes disagree", "두 모드가 서로 다름"),
    (
        r"The arguments are (.*); the same code was checked in float64\.",
        "인수는 {0}{이며}, 같은 코드를 float64로 검사했습니다.",
    ),
    (
        r"The code computes in (.*) only, so errors .*",
        "코드가 {0}{으로}만 계산하므로 그 반올림보다 작은 오차는 볼 수 없습니다.",
    ),
    (r"As expected: (.*): (.*)\.", "의도한 대로: {0}: {1}."),
    (
        r"The search for a cause was ended: (\d+) of (\d+) possible changes of the code were tried\.",
        "원인을 찾기를 시간이 되어 멈추었습니다. 코드를 바꾸어 볼 {1}가지 가운데 {0}가지를 해 보았습니다.",
    ),
    (
        r"The budget of (\S+) s left no time to compare the gradients of (.*)\.",
        "{0}초의 예산(budget)이 모자라 다음 기울기는 비교하지 못했습니다: {1}.",
    ),
    (
        r"The budget of (\S+) s left no time for more than one direction of all elements at once of (.*)\.",
        "{0}초의 예산(budget)이 모자라 다음은 모든 원소를 한꺼번에 한 방향으로만 움직여 보았습니다: {1}.",
    ),
    (
        r"The budget of (\S+) s left no time for single elements of (.*)\.",
        "{0}초의 예산(budget)이 모자라 다음은 원소를 하나씩 움직여 보지 못했습니다: {1}.",
    ),
    (
        r"The budget of (\S+) s left no time for a second run: .*",
        "{0}초의 예산(budget)이 모자라 두 번 실행하지 않았으므로 실행할 때마다 결과가 같은지는 알 수 없습니다.",
    ),
    (
        r"there was no time for the steps that would decide",
        "판단에 필요한 간격까지 계산할 시간이 없었습니다",
    ),
)
"""The sentences of findings and notes, and what they are in Korean."""
_COMPILED = tuple((re.compile(pattern, re.DOTALL), text) for pattern, text in SENTENCES)


def sentence(text: str) -> str:
    """Return a finding's message, or a note, in Korean; text that matches no pattern, such as an exception's, as is."""
    for pattern, korean in _COMPILED:
        if match := pattern.fullmatch(text):
            return filled(korean, *match.groups())
    return text


def reason(code: str, detail: Mapping[str, Any]) -> str:
    """Return what a reason says in Korean, with its place in the code where a change of it is known."""
    factor = detail.get("name") or detail.get("factor")
    shown = factor if isinstance(factor, str) else f"{factor:.6g}" if isinstance(factor, float) else "상수"
    what, seen = detail.get("what", ""), fitted(_without_change(detail))
    text = (seen or filled(REASONS[code], factor=shown, size=detail.get("size", ""))) + _of_factor(detail)
    if detail.get("written"):
        said = change(what)
        if said:  # it says more than the code; where numbers named the reason as well, both are said
            text = said if detail["text"].startswith(what) else f"{text}. {said}"
        return text + filled(". {line}행의 `{written}` 대신 `{wanted}`{을} 쓰면 맞습니다", **detail)
    data = [words.format(detail[key]) for key, words in DATA if detail.get(key) not in (None, "", []) and not seen]
    return f"{text} ({', '.join(data)})" if data else text


def _of_factor(detail: Mapping[str, Any]) -> str:
    """Return what a factor means, and how well the rest agrees."""
    said = meaning(str(detail.get("meaning") or ""))
    rest = detail.get("rest")
    return (f": {said}" if said else "") + (f". 그 밖에는 {rest}의 상대 오차까지 맞습니다" if rest else "")


def _without_change(detail: Mapping[str, Any]) -> str:
    """Return what the numbers say, without the change of the code that a reason may name behind it."""
    text, what = str(detail.get("text", "")), detail.get("what", "")
    return text.partition(f"; {what}")[0] if what else text
