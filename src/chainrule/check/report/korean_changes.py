"""What a change of the code says about the mistake, in Korean: a pattern for each sentence of `check.repairs`.

The code that stands in a sentence stays as it is.
"""

import re

from chainrule.present.texts import filled

ANY = r"(.+?)"
SENTENCES: tuple[tuple[str, str], ...] = (
    ("a contribution is added where it must be assigned", "대입해야 할 값을 더했습니다"),
    ("a contribution is assigned where it must be added", "더해야 할 값을 대입했습니다"),
    ("a contribution is assigned where it must be subtracted", "빼야 할 값을 대입했습니다"),
    (
        "an index that occurs several times counts only once in \\+=",
        "여러 번 나오는 인덱스가 +=에서는 한 번만 더해집니다",
    ),
    ("it is taken over all axes", "축을 정하지 않아 모든 축에 대해 계산했습니다"),
    (
        f"each of {ANY} reductions is over all axes where it must be over one",
        "축 하나에 대해 계산해야 할 것 {0}개를 모두 전체 축에 대해 계산했습니다",
    ),
    (
        f"the place moves with {ANY} alone where it must move with {ANY}",
        "자리가 {1}{을} 따라 움직여야 하는데 {0}만 따라 움직입니다",
    ),
    (
        f"the window stays at the start where it must move with {ANY}",
        "창이 {0}{을} 따라 움직여야 하는데 처음에 머물러 있습니다",
    ),
    ("it is taken over the wrong axis", "다른 축에 대해 계산했습니다"),
    ("the axes are in the wrong order", "축의 순서가 틀립니다"),
    ("the axes are swapped where they must not be", "바꾸지 않아야 할 축을 바꾸었습니다"),
    (f"the axes {ANY} and {ANY} are swapped in {ANY}", "{2}에서 축 {0}{과} {1}{이} 바뀌었습니다"),
    ("the axis is wrong", "축이 틀립니다"),
    (f"{ANY} needs a new axis at its end", "{0} 끝에 새 축이 필요합니다"),
    ("the new axis is in the wrong place", "새 축의 자리가 틀립니다"),
    ("the bound of the mask is wrong", "마스크의 경계가 틀립니다"),
    ("the branches are swapped", "두 갈래가 뒤바뀌었습니다"),
    ("the contribution has the wrong sign", "더하는 값의 부호가 틀립니다"),
    ("the difference is taken the wrong way round", "뺄셈의 순서가 뒤바뀌었습니다"),
    ("the exponent is wrong", "지수가 틀립니다"),
    ("the factors of the product are in the wrong order", "곱의 순서가 틀립니다"),
    ("the mask takes the boundary wrongly", "마스크가 경계에 있는 값을 반대로 다룹니다"),
    ("the mask takes the wrong side", "마스크가 반대쪽을 고릅니다"),
    (f"the number is wrong: the forward pass has {ANY}", "수가 틀립니다. 순전파에는 {0}{이} 있습니다"),
    ("the number is wrong", "수가 틀립니다"),
    ("the operation is the wrong one", "연산이 틀립니다"),
    ("the order is reversed where it must not be", "뒤집지 않아야 할 순서를 뒤집었습니다"),
    ("another axis's length is needed", "다른 축의 길이가 필요합니다"),
    ("the place is off by one", "자리가 하나 밀렸습니다"),
    ("the place is off", "자리가 밀렸습니다"),
    ("the quotient is upside down", "분자와 분모가 뒤바뀌었습니다"),
    ("the result is transposed", "결과가 전치되었습니다"),
    ("the shift is wrong", "미는 칸 수가 틀립니다"),
    ("the sign is wrong", "부호가 틀립니다"),
    (f"the sign of {ANY} is wrong", "{0}의 부호가 틀립니다"),
    (f"the sign of {ANY} is missing", "{0}의 부호(sign)가 빠졌습니다"),
    ("the slice ends too early", "슬라이스가 너무 일찍 끝납니다"),
    ("the slice is the wrong end", "슬라이스가 반대쪽 끝입니다"),
    ("the slice starts too late", "슬라이스가 너무 늦게 시작합니다"),
    ("the statement does not belong there", "이 문장은 없어야 합니다"),
    ("the summed axis is kept", "합한 축이 남아 있습니다"),
    ("the summed axis is not kept", "합한 축을 남겨야 합니다(keepdims)"),
    (
        f"the power is taken of {ANY} where one of {ANY} alone is needed",
        "{1}만 거듭제곱해야 하는데 {0} 전체를 거듭제곱했습니다",
    ),
    (
        f"the power is taken of {ANY} alone where one of {ANY} is needed",
        "{1} 전체를 거듭제곱해야 하는데 {0}만 거듭제곱했습니다",
    ),
    (
        "the slope of a sigmoid is used where that of a tanh is needed",
        "tanh의 미분이 필요한데 시그모이드의 미분을 썼습니다",
    ),
    (
        "the slope of a tanh is used where that of a sigmoid is needed",
        "시그모이드의 미분이 필요한데 tanh의 미분을 썼습니다",
    ),
    (f"{ANY} and {ANY} are in each other's place", "{0}{과} {1}의 자리가 뒤바뀌었습니다"),
    ("the power does not belong there", "거듭제곱은 없어야 합니다"),
    (f"the division by {ANY} does not belong there", "{0}{으로} 나누지 않아야 합니다"),
    (f"the factor {ANY} does not belong there", "인수 {0}{은} 없어야 합니다"),
    (f"the term {ANY} does not belong there", "항 {0}{은} 없어야 합니다"),
    (f"the mask {ANY} does not belong there", "마스크 {0}{은} 없어야 합니다"),
    (f"{ANY} does not belong there", "{0}{은} 없어야 합니다"),
    (f"the division by the root of {ANY} is missing", "{0}의 제곱근으로 나누지 않았습니다"),
    (f"the division by {ANY} is missing", "{0}{으로} 나누지 않았습니다"),
    (
        f"of the softmax's Jacobian there is only the diagonal, {ANY}",
        "소프트맥스의 야코비 행렬에서 대각 성분 {0}만 썼습니다",
    ),
    (f"the (?:slope|factor) {ANY} is missing", "인수 {0}{이} 빠졌습니다"),
    (f"the sum over axis {ANY} is missing", "축 {0}에 대한 합이 빠졌습니다"),
    (
        f"the term {ANY} is missing: {ANY} counts once where it enters twice",
        "항 {0}{이} 빠졌습니다. {1}{은} 두 번 쓰이는데 한 번만 더했습니다",
    ),
    (f"the term {ANY} is missing", "항 {0}{이} 빠졌습니다"),
    (f"the mask compares with {ANY} where {ANY} is needed", "마스크가 {1}{이} 아니라 {0}{과} 비교합니다"),
    (f"the mask is computed from {ANY} where {ANY} is needed", "마스크를 {1}{이} 아니라 {0}{으로} 만들었습니다"),
    (f"the mask lacks its other side, {ANY}", "마스크에 다른 쪽 조건 {0}{이} 빠졌습니다"),
    (
        f"the padding is cut off at one end where it must be cut off at both, by {ANY}",
        "패딩을 한쪽만 잘랐습니다. 양쪽을 {0}만큼 잘라야 합니다",
    ),
    (
        f"the padding is cut off at the wrong end: the slice must start at {ANY}",
        "패딩을 반대쪽에서 잘랐습니다. 슬라이스는 {0}에서 시작해야 합니다",
    ),
    (f"the padding of {ANY} is not cut off", "패딩 {0}{을} 잘라 내지 않았습니다"),
    (f"the square of {ANY} is needed", "{0}의 제곱이 필요합니다"),
    (f"the window is off by {ANY}", "창이 {0}만큼 밀렸습니다"),
    (
        f"the window moves by 1(?: (?:along )?.+?)? where it must move by {ANY}: the stride is missing",
        "창이 {0}칸씩 움직여야 하는데 1칸씩 움직입니다. 보폭(stride)이 빠졌습니다",
    ),
    (
        f"{ANY} moves the place by 1 where it must move it by {ANY}: the dilation is missing",
        "{0}{이} 자리를 {1}칸이 아니라 1칸씩 옮깁니다. 간격(dilation)이 빠졌습니다",
    ),
    (
        f"all rows are indexed where each row has its own entry of {ANY}",
        "행마다 {0}의 원소 하나를 골라야 하는데 모든 행을 골랐습니다",
    ),
    (f"the arguments of {ANY} are in the wrong order", "{0}의 인수 순서가 틀립니다"),
    (
        f"{ANY} is overwritten where a contribution must be added to it",
        "{0}에 더해야 하는데 덮어썼습니다",
    ),
    (f"{ANY} is inside the root where it must be outside", "{0}{은} 제곱근 밖에 있어야 합니다"),
    (f"{ANY} is outside the root where it must be inside", "{0}{은} 제곱근 안에 있어야 합니다"),
    (f"{ANY} is missing inside the root", "제곱근 안에 {0}{이} 빠졌습니다"),
    (
        f"{ANY} is called with {ANY} where {ANY} is needed: a term is left out",
        "{0}{을} {2}{이} 아니라 {1}{으로} 불러 항 하나가 빠졌습니다",
    ),
    (f"{ANY} is called with {ANY} where {ANY} is needed", "{0}{을} {2}{이} 아니라 {1}{으로} 불렀습니다"),
    (f"the factor {ANY} is missing, which is nowhere used", "어디에도 쓰이지 않은 인수 {0}{이} 빠졌습니다"),
    (f"the term {ANY} is missing, which is nowhere used", "어디에도 쓰이지 않은 항 {0}{이} 빠졌습니다"),
    (f"the division by {ANY} is missing, which is nowhere used", "어디에도 쓰이지 않은 {0}{으로} 나누지 않았습니다"),
    (
        f"{ANY} is used where {ANY} is needed, which is nowhere used",
        "{1}{이} 필요한데 {0}{을} 썼습니다. {1}{은} 어디에도 쓰이지 않습니다",
    ),
    (f"{ANY} is used where {ANY} is needed", "{1}{이} 필요한데 {0}{을} 썼습니다"),
    (f"the {ANY} {ANY} is missing", "{1}{이} 빠졌습니다"),
    (f"{ANY} is missing", "{0}{이} 빠졌습니다"),
)
_COMPILED = tuple((re.compile(pattern, re.DOTALL), text) for pattern, text in SENTENCES)


def change(what: str) -> str:
    """Return what a change says in Korean, or an empty string for a sentence that has no pattern."""
    for pattern, text in _COMPILED:
        if match := pattern.fullmatch(what):
            return filled(text, *match.groups())
    return ""
