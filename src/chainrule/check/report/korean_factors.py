"""What a factor means, in Korean: a pattern for each meaning that `check.hypotheses.factors` gives."""

import re

from chainrule.present.texts import filled

ANY = r"(.+?)"
NEGATIVE = ", and the sign is wrong"
WHERE = r" \((.+)\)"
MEANINGS: tuple[tuple[str, str], ...] = (
    ("the gradient that arrives from above is ignored", "위에서 오는 기울기 ȳ를 곱하지 않았습니다"),
    ("the gradient that arrives from above enters twice", "위에서 오는 기울기 ȳ를 두 번 곱했습니다"),
    ("a factor ½ is missing, or everything is counted twice", "인수 ½이 빠졌거나 모든 기여를 두 번 더했습니다"),
    ("a factor 2 is missing, or one of two equal contributions", "인수 2가 빠졌거나 같은 두 기여 중 하나가 빠졌습니다"),
    (
        f"sum instead of mean, the division by N = {ANY} is missing{WHERE}",
        "평균이 아니라 합입니다. N = {0}{으로} 나누지 않았습니다 ({1})",
    ),
    (
        f"mean instead of sum, one division by N = {ANY} too many{WHERE}",
        "합이 아니라 평균입니다. N = {0}{으로} 한 번 더 나누었습니다 ({1})",
    ),
    (f"it is divided by N = {ANY} twice{WHERE}", "N = {0}{으로} 두 번 나누었습니다 ({1})"),
    (
        f"missing scale 1/√d, as in attention, d = {ANY}{WHERE}",
        "어텐션에서와 같은 배율 1/√d가 빠졌습니다. d = {0} ({1})",
    ),
    (f"the scale 1/√d enters once too often, d = {ANY}{WHERE}", "배율 1/√d를 한 번 더 곱했습니다. d = {0} ({1})"),
    (
        rf"N/\(N − 1\), unbiased instead of biased, N = {ANY}{WHERE}",
        "N이 아니라 N − 1로 나누었습니다(불편 추정). N = {0} ({1})",
    ),
    (
        rf"\(N − 1\)/N, biased instead of unbiased, N = {ANY}{WHERE}",
        "N − 1이 아니라 N으로 나누었습니다(편향 추정). N = {0} ({1})",
    ),
    (
        rf"divided by {ANY} \({ANY}\) in place of {ANY}{WHERE}",
        "{2}({3}) 대신 {0}({1}){으로} 나누었습니다",
    ),
    (f"the factor {ANY} is missing", "인수 {0}{이} 빠졌습니다"),
    (f"the factor {ANY} enters once too often", "인수 {0}{을} 한 번 더 곱했습니다"),
    (f"the division by {ANY} is missing", "{0}{으로} 나누지 않았습니다"),
    ("the sign is wrong", "부호가 반대입니다"),
)
PLACES: tuple[tuple[str, str], ...] = (
    (r"axis (\d+) of the output", "출력의 축 {0}"),
    (rf"axis (\d+) of {ANY}", "{1}의 축 {0}"),
    ("the size of the output", "출력의 원소 수"),
    (f"the size of {ANY}", "{0}의 원소 수"),
    (r"the entries of the output for each of axis (\d+)", "축 {0}의 한 자리마다 출력의 원소 수"),
    (rf"the entries of {ANY} for each of axis (\d+)", "축 {1}의 한 자리마다 {0}의 원소 수"),
)
"""Where a length comes from."""


def meaning(text: str) -> str:
    """Return what a factor means in Korean, or an empty string for a meaning that has no pattern."""
    if text.endswith(NEGATIVE) and text != NEGATIVE:
        said = meaning(text.removesuffix(NEGATIVE))
        return said and f"{said}. 부호도 반대입니다"
    for pattern, korean in MEANINGS:
        if match := re.fullmatch(pattern, text):
            return filled(korean, *map(_place, match.groups()))
    return ""


def _place(text: str) -> str:
    for pattern, korean in PLACES:
        if match := re.fullmatch(pattern, text):
            return filled(korean, *match.groups())
    return text
