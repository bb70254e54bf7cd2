"""What a fitted reason says about a gradient, in Korean: a pattern for each sentence of `check.hypotheses`.

Formulas, code and the names of arguments stay as they are. A sentence without a pattern is said by its code.
"""

import re

from chainrule.present.texts import filled

from .korean_places import place

ANY = r"(.+?)"
AXES = r"(\[[\d, ]*\])"
SENTENCES: tuple[tuple[str, str], ...] = (
    ("the sign is wrong", "부호가 반대입니다"),
    (f"this is the gradient of {ANY}, transposed", "{0}의 기울기를 전치한 것입니다"),
    (f"this is the gradient of {ANY} with the wrong sign", "{0}의 기울기에서 부호를 바꾼 것입니다"),
    (f"this is the gradient of {ANY}", "이것은 {0}의 기울기입니다"),
    (f"{ANY} returns another value than {ANY}", "{0}{이} {1}{과} 다른 값을 돌려줍니다"),
    (
        f"the gradient agrees to {ANY} of its size; the rest may come from {ANY} in the forward pass, .*",
        "기울기가 {0}의 상대 오차까지만 맞습니다. 순전파에만 있는 {1} 때문일 수 있습니다. "
        "의도한 것이면 expected='approximate'를 주십시오",
    ),
    (
        f"the gradient agrees to {ANY} of its size; the rest may come from the rounding of {ANY} in the backward "
        "pass; .*",
        "기울기가 {0}의 상대 오차까지만 맞습니다. 역전파의 반올림한 수 {1} 때문일 수 있습니다. "
        "의도한 것이면 expected='approximate'를 주십시오",
    ),
    (
        f"the gradient agrees to {ANY} of its size; the rest may come from {ANY} in the backward pass, .*",
        "기울기가 {0}의 상대 오차까지만 맞습니다. 역전파에만 있는 {1} 때문일 수 있습니다. "
        "의도한 것이면 expected='approximate'를 주십시오",
    ),
    (
        f"no cause was sought: those of the gradients above took {ANY} s; check this argument alone",
        "위 기울기들의 원인을 찾는 데 {0}초가 걸려 이 기울기의 원인은 찾지 않았습니다. 이 인수만 따로 검사해 보십시오",
    ),
    (
        "no cause was found in the time that was left; a larger budget gives it more",
        "남은 시간 안에 원인을 찾지 못했습니다. budget을 늘리면 더 오래 찾습니다",
    ),
    ("the gradient is transposed", "기울기가 전치되었습니다"),
    (f"the axes are in the order {ANY}", "축이 {0} 순서로 놓였습니다"),
    ("the numbers are right, the shape is not", "값은 맞지만 모양이 틀립니다"),
    (
        f"the numbers are right, the shape is not: {AXES} where {AXES} is needed",
        "값은 맞지만 모양이 {0}입니다. 필요한 모양은 {1}입니다",
    ),
    ("the numbers are right, but in other places", "값은 맞지만 다른 자리에 놓였습니다"),
    (f"the gradient is reversed along axes {AXES}", "기울기가 축 {0}{을} 따라 뒤집혔습니다"),
    ("the gradient is off by (-?\\d+) along axis (\\d+)", "기울기가 축 {1}{을} 따라 {0}칸 밀렸습니다"),
    (f"the term {ANY} stands where {ANY} is needed", "항 {1}{이} 필요한 자리에 {0}{이} 있습니다"),
    (f"the term {ANY} is missing", "항 {0}{이} 빠졌습니다"),
    (f"the term {ANY} has the wrong sign", "항 {0}의 부호가 반대입니다"),
    (f"the term {ANY} is counted (?:twice|once too often)", "항 {0}{이} 한 번 더 들어갔습니다"),
    (f"of the term {ANY} the mean is taken where the sum is needed", "항 {0}에서 합 대신 평균을 썼습니다"),
    (f"of the term {ANY} the sum is taken where the mean is needed", "항 {0}에서 평균 대신 합을 썼습니다"),
    (f"the sum over axes {AXES}(?: of the gradient)? is missing", "축 {0}에 대한 합이 빠졌습니다"),
    (
        f"the gradient is summed over axes {AXES}, of which the argument has its own",
        "축 {0}에 대해 기울기를 합했지만, 인수에 그 축이 있으므로 합하지 않아야 합니다",
    ),
    (f"a sum over axes {AXES} where one over {AXES} is needed", "축 {1}에 대한 합이 필요한데 축 {0}에 대해 합했습니다"),
    ("no gradient arrives: the argument is treated as a constant", "기울기가 오지 않습니다: 인수를 상수로 다룹니다"),
    (f"the gradient is {ANY} times what it should be: {ANY}", "기울기가 올바른 값의 {0}배입니다"),
    (f"the gradient is {ANY} times what it should be", "기울기가 올바른 값의 {0}배입니다"),
    (
        "each backward pass adds to the gradient of the last",
        "역전파를 할 때마다 앞의 기울기에 더해집니다: 0으로 되돌리지 않았습니다",
    ),
    ("every contribution is counted twice", "모든 기여가 두 번 더해졌습니다"),
    (f"the factor {ANY} is missing", "인수 {0}{이} 빠졌습니다"),
    (f"the division by {ANY} is missing", "{0}{으로} 나누지 않았습니다"),
    (
        f"a gradient arrives where the function is flat, as behind a clamp: {ANY}",
        "함수가 평평한 곳(자르기의 바깥쪽 등)에도 기울기가 옵니다: {0}",
    ),
    (
        f"no gradient arrives (?:at )?{ANY}; elsewhere it is right",
        "다음 자리에는 기울기가 오지 않습니다: {0}. 다른 자리는 맞습니다",
    ),
    (
        f"the gradient is counted twice (?:at )?{ANY}; elsewhere it is right",
        "다음 자리에서 기울기가 두 번 더해졌습니다: {0}. 다른 자리는 맞습니다",
    ),
    (
        f"the sign is wrong (?:at )?{ANY}; elsewhere it is right",
        "다음 자리에서 부호가 반대입니다: {0}. 다른 자리는 맞습니다",
    ),
    (f"{ANY} of the output contribute nothing", "출력의 {0}에서는 기울기가 오지 않습니다"),
    (f"{ANY} of the output are counted twice", "출력의 {0}에서 오는 기울기를 두 번 더했습니다"),
    (f"{ANY} of the output contribute with wrong weights", "출력의 {0}에서 오는 기울기에 틀린 배수가 붙었습니다"),
    (
        "each gradient is shared equally by (\\d+) elements where one of them gets all: a mean for a maximum",
        "원소 하나가 모두 받아야 할 기울기를 {0}개가 똑같이 나누었습니다: 최댓값의 기울기를 평균처럼 구했습니다",
    ),
    (
        "each gradient arrives at (\\d+) elements where one of them gets it: the mask of that one is missing",
        "원소 하나만 받아야 할 기울기를 {0}개가 모두 받았습니다: 그 원소를 고르는 마스크가 빠졌습니다",
    ),
    (f"the gradient is wrong only at: {ANY}", "기울기가 다음 자리에서만 틀립니다: {0}"),
    (
        f"the gradient has a wrong factor along axes {AXES}(?:: {ANY})?",
        "축 {0}{을} 따라 기울기에 틀린 배수가 붙었습니다",
    ),
    ("the Jacobian is not transposed: J ȳ in place of Jᵀ ȳ", "야코비 행렬을 전치하지 않았습니다: Jᵀ ȳ 대신 J ȳ입니다"),
    (
        "only the diagonal of the Jacobian: each entry's effect on the others is missing",
        "야코비 행렬의 대각선만 썼습니다: 한 원소가 다른 원소에 주는 영향이 빠졌습니다",
    ),
    (
        "each entry's effect on itself is missing: the diagonal of the Jacobian",
        "야코비 행렬의 대각선이 빠졌습니다: 한 원소가 자기 자신에 주는 영향입니다",
    ),
    (
        "only the (first|last) of several contributions to an element is kept: assigned where it must be added",
        "한 원소에 오는 여러 기여 가운데 하나만 남았습니다: 더해야 할 것을 대입했습니다",
    ),
    (
        f"the slope of {ANY} is left out: the gradient passes as if it were the identity",
        "{0}의 미분을 곱하지 않았습니다: 항등함수처럼 기울기를 그대로 보냅니다",
    ),
    (
        f"{ANY} is treated as a constant: the gradient through it is cut off",
        "{0}{을} 상수로 다루어, 그곳을 지나는 기울기가 끊겼습니다",
    ),
    (f"the gradient through {ANY} has the wrong sign", "{0}{을} 지나는 기울기의 부호가 반대입니다"),
    (f"the gradient through {ANY} is counted twice", "{0}{을} 지나는 기울기가 두 번 더해졌습니다"),
    (
        f"the gradient through {ANY} is {ANY} times what it should be(?:: {ANY})?",
        "{0}{을} 지나는 기울기가 올바른 값의 {1}배입니다",
    ),
    (
        f"the rule is right here, where lengths are equal, and wrong for {ANY}",
        "길이가 같은 여기서는 맞지만 {0}에서는 틀립니다: 두 축을 혼동합니다",
    ),
    (f"the gradient is {ANY} alone; all other terms are missing", "기울기에 {0}만 있고 다른 항이 모두 빠졌습니다"),
    (
        f"the gradient is {ANY} alone; all other terms are missing: their paths are cut off",
        "기울기에 {0}만 있고, 다른 항은 경로가 끊겨 빠졌습니다",
    ),
    (f"{ANY} is right; the other terms have the wrong sign", "{0}{은} 맞고, 다른 항의 부호가 반대입니다"),
    (f"the path that contributes {ANY} is cut off", "{0}{을} 더하는 경로가 끊겼습니다"),
    (
        f"the sum of {ANY} is taken over axes {AXES} in place of {AXES}",
        "{0}의 합을 축 {2} 대신 축 {1}에 대해 구했습니다",
    ),
    (
        "the paths through the statistics along axes (.*) are cut off: mean and variance are treated as constants",
        "축 {0}의 평균과 분산을 상수로 다루어, 그곳을 지나는 경로가 끊겼습니다",
    ),
    ("the gradient that arrives from above, ȳ, is ignored", "위에서 오는 기울기 ȳ를 곱하지 않았습니다"),
    (
        "the function does not depend on it here, so that its gradient must be 0",
        "함수가 여기서 이 인수에 따라 변하지 않으므로 기울기는 0이어야 합니다",
    ),
    (
        f"expected − analytic is constant along axes {AXES}: a term like a mean of ȳ is missing or wrong",
        "빠진 값이 축 {0}에서 일정합니다. ȳ의 평균 같은 항이 빠졌거나 틀립니다",
    ),
    (
        f"expected − analytic is proportional to {ANY} along axes {AXES}: a term like a mean of {ANY} is missing or "
        "wrong",
        "빠진 값이 축 {1}에서 {0}에 비례합니다. {2}의 평균 같은 항이 빠졌거나 틀립니다",
    ),
    (
        rf"expected − analytic is proportional to x̂ over axes {AXES}: a term like a mean of ȳ ⊙ x̂ over axes {AXES} "
        "is missing or wrong",
        "빠진 값이 축 {0}에서 정규화한 x̂에 비례합니다. ȳ ⊙ x̂의 평균 같은 항이 빠졌거나 틀립니다",
    ),
    (f"the derivative is taken at {ANY} = 0, wherever {ANY} is", "{1}의 값과 상관없이 {0} = 0에서의 미분을 썼습니다"),
    (f"the derivative of {ANY} is missing", "{0}의 미분이 빠졌습니다"),
    (f"the derivative of {ANY} is applied twice", "{0}의 미분을 두 번 곱했습니다"),
    (
        f"the derivative of {ANY} is taken at its output, not at its input",
        "{0}의 미분을 입력이 아니라 출력에서 계산했습니다",
    ),
    (f"the input of {ANY} is used where its output is needed", "{0}의 출력이 필요한 자리에 입력을 썼습니다"),
    (f"the output is used where the factor of {ANY} is needed", "{0}에 곱해지는 값이 필요한 자리에 출력을 썼습니다"),
    (f"the output is used where {ANY} is needed", "{0}{이} 필요한 자리에 출력을 썼습니다"),
    (f"{ANY} is used where the output is needed", "출력이 필요한 자리에 {0}{을} 썼습니다"),
    (f"the product is taken with {ANY} where {ANY} is needed", "{1}{과} 곱해야 할 것을 {0}{과} 곱했습니다"),
    (f"{ANY} is used where {ANY} is needed", "{1}{이} 필요한 자리에 {0}{을} 썼습니다"),
)
"""A particle in braces takes the form that follows the word before it."""
_COMPILED = tuple((re.compile(pattern, re.DOTALL), text) for pattern, text in SENTENCES)


def fitted(text: str) -> str:
    """Return what a fitted reason says in Korean, or an empty string for a sentence that has no pattern."""
    for pattern, korean in _COMPILED:
        if match := pattern.fullmatch(text):
            return filled(korean, *(place(text) for text in match.groups(default="")))
    return ""
