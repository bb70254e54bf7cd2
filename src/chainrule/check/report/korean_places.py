"""Where a gradient is wrong, in Korean: a pattern for each name that `check.hypotheses` gives to places and terms."""

import re

from chainrule.present.texts import filled

ANY = r"(.+?)"
NAMES = {
    "the diagonal": "대각선",
    "all but the diagonal": "대각선을 뺀 나머지",
    "above the diagonal": "대각선 위",
    "below the diagonal": "대각선 아래",
    "on and above the diagonal": "대각선과 그 위",
    "on and below the diagonal": "대각선과 그 아래",
    "the border": "가장자리",
    "inside the border": "가장자리 안쪽",
}
"""Parts of a matrix."""
PLACES: tuple[tuple[str, str], ...] = (
    ("where an element is used several times", "원소가 여러 번 쓰인 곳"),
    (r"all but the first entry along axis (\d+)", "축 {0}의 첫 원소를 뺀 나머지"),
    (r"all but the last entry along axis (\d+)", "축 {0}의 마지막 원소를 뺀 나머지"),
    (r"the first entry along axis (\d+)", "축 {0}의 첫 원소"),
    (r"the last entry along axis (\d+)", "축 {0}의 마지막 원소"),
    (r"all but one element of each slice along axis (\d+)", "축 {0}{을} 따라 원소 하나씩을 뺀 나머지"),
    (r"one element of each slice along axis (\d+)", "축 {0}{을} 따라 원소 하나씩"),
    (rf"the entries {ANY} along axis (\d+)", "축 {1}의 위치 {0}"),
    (rf"where {ANY} is below a bound between (\S+) and (\S+)", "{0}{이} {1}과 {2} 사이의 어떤 경계보다 작은 곳"),
    (rf"where {ANY} is above a bound between (\S+) and (\S+)", "{0}{이} {1}과 {2} 사이의 어떤 경계보다 큰 곳"),
    (rf"where {ANY} is outside a range of about (\[.*\])", "{0}{이} 대략 {1}의 범위를 벗어난 곳"),
    (rf"where {ANY} is inside a range of about (\[.*\])", "{0}{이} 대략 {1}의 범위 안인 곳"),
    (rf"where {ANY} is not (\S+)", "{0}{이} {1}이 아닌 곳"),
    (rf"where {ANY} is (\S+)", "{0}{이} {1}인 곳"),
    (rf"where {ANY} outside (\[.*\])", "{0}{이} {1} 밖인 곳"),
    (rf"where {ANY} inside (\[.*\])", "{0}{이} {1} 안인 곳"),
    (rf"where {ANY} ([<>=≤≥] 0)", "{0} {1}인 곳"),
    (rf"{ANY} and (\d+) more", "{0} 외 {1}곳"),
    (rf"{ANY} over axes (\[[\d, ]*\])", "{0} (축 {1})"),
)
"""Their order matters: the first that fits is taken."""


def place(text: str) -> str:
    """Return a place, or a term with its axes, in Korean; any other text as it is."""
    if text in NAMES:
        return NAMES[text]
    for pattern, korean in PLACES:
        if match := re.fullmatch(pattern, text):
            return filled(korean, *match.groups())
    return text
