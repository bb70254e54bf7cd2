"""The Korean titles of the lines of proofs, by their English ones, which stand in the records of `rules`."""

from chainrule.present.texts import Texts

_KOREAN = {
    # Softmax with cross-entropy
    "The loss of one row, without its index": "한 행의 손실(행의 인덱스는 생략)",
    "Its derivative by the probabilities": "확률에 대한 손실의 미분",
    "The Jacobian of softmax": "소프트맥스의 야코비 행렬",
    "The chain rule: substitute both; each probability cancels": "연쇄 법칙: 둘을 대입하면 확률이 약분됩니다",
    "Only i = j is left of the sum": "합에서는 i = j인 항만 남습니다",
    "The target sums to one": "목표값의 합은 1입니다",
    # The rules of differentiation
    "The definition": "정의",
    "The chain rule": "연쇄 법칙",
    "The quotient rule": "몫의 미분법",
    "The product rule": "곱의 미분법",
    "The product rule and the chain rule": "곱의 미분법과 연쇄 법칙",
    "The inverse function: differentiate both sides, and solve for the derivative": (
        "역함수: 양변을 미분하고 도함수에 대해 풉니다"
    ),
    "The derivative of a reciprocal, and the chain rule": "역수의 미분과 연쇄 법칙",
    "The denominator is a constant factor": "분모는 상수 인수입니다",
    "The exponential function is its own derivative": "지수함수의 도함수는 자기 자신입니다",
    "The derivative of the logarithm": "로그의 미분",
    "The derivative of the hyperbolic tangent": "쌍곡탄젠트의 미분",
    "The derivative of the error function": "오차 함수의 미분",
    "The derivative of the root": "제곱근의 미분",
    "The sigmoid's derivative": "시그모이드의 미분",
    "The derivative by the probability": "확률에 대한 미분",
    "The inner derivative": "안쪽 함수의 미분",
    "The inner derivative is a sigmoid": "안쪽 함수를 미분하면 시그모이드입니다",
    "Its derivative is the normal density, by the fundamental theorem of calculus": (
        "미적분의 기본 정리에 따라 그 도함수는 정규분포의 밀도입니다"
    ),
    "The derivative of Φ is the density; the product rule": "Φ의 도함수는 밀도입니다; 곱의 미분법",
    "An integral changes with its upper bound as the integrand there, by the fundamental theorem of calculus": (
        "미적분의 기본 정리에 따라 적분을 위끝으로 미분하면 그 점에서의 피적분함수입니다"
    ),
    # Rewriting
    "That is": "곧",
    "Substitute": "대입하면",
    "Collect": "정리하면",
    "Side by side": "양쪽으로 나누어 쓰면",
    "Each side by itself; the brackets select it": "양쪽을 따로 미분합니다(대괄호가 어느 쪽인지 고릅니다)",
    "Each side has a constant slope; at the kink itself, that of neither": (
        "양쪽의 기울기는 상수이며, 꺾인 점에서는 어느 쪽도 택하지 않습니다"
    ),
    "Slope 1 on the right and 0 on the left; at the kink itself, that of the left": (
        "기울기는 오른쪽에서 1, 왼쪽에서 0이며, 꺾인 점에서는 왼쪽을 따릅니다"
    ),
    "Only the left side depends on it": "왼쪽만 이 값에 따라 달라집니다",
    "In the same form, but without overflow on the right": "값은 같으면서 오른쪽에서 넘치지 않는 꼴로 쓰면",
    "On the right it is a power of e with exponent 0": "오른쪽은 e의 0제곱입니다",
    "In terms of $y$, which the forward pass has already computed": "순전파에서 이미 계산한 값($y$)으로 쓰면",
    "Split the fraction": "분수를 나누면",
    "Split the fraction, and write $y$ for the quotients": "분수를 나누고 몫을 결과($y$)로 쓰면",
    "One fraction": "한 분수로 쓰면",
    "Cancel a factor": "인수를 약분하면",
    "The denominators cancel": "분모가 약분됩니다",
    "Take out the common factor": "공통인수로 묶으면",
    "Take out the common denominator": "공통분모로 묶으면",
    "Multiply both parts of the fraction by a power of e": "분자와 분모에 e의 거듭제곱을 곱하면",
    "Divide both parts of the fraction by the power of e": "분자와 분모를 e의 거듭제곱으로 나누면",
    "The denominator is a power of e": "분모는 e의 거듭제곱입니다",
    "Subtract the exponents": "지수를 빼면",
    "As a power of e": "e의 거듭제곱으로 쓰면",
    "A product": "곱으로 쓰면",
    "A number times its sign is its size": "수에 그 부호를 곱하면 절댓값입니다",
    "The second factor is what the first leaves of 1": "둘째 인수는 1에서 첫째 인수를 뺀 것입니다",
    "This is a sigmoid": "이것은 시그모이드입니다",
    "With a name for the inner function": "안쪽 함수에 이름을 붙이면",
    "With a name for the inverse": "역행렬에 이름을 붙이면",
    "With a name for the density of the normal distribution": "정규분포의 밀도에 이름을 붙이면",
    "The derivative of the factor": "인수에 이름을 붙이면",
    "What the error function leaves": "1에서 오차 함수를 뺀 값",
    "The sine is positive for this $y$": "이 $y$에서 사인은 양수입니다",
    "The cosine is positive for this $y$": "이 $y$에서 코사인은 양수입니다",
    "The hyperbolic sine is positive for this $y$": "이 $y$에서 쌍곡사인은 양수입니다",
    "The hyperbolic cosine in terms of the sine": "쌍곡코사인을 쌍곡사인으로 쓰면",
    "Φ is the normal distribution function": "Φ는 표준정규분포의 분포함수입니다",
    "The probability that the logit stands for": "로짓이 나타내는 확률",
    "It is linear in the target": "목표값에 대해서는 일차식입니다",
    "The quotient of the two probabilities is a power of e": "두 확률의 비는 e의 거듭제곱입니다",
    # Rows and indices
    "Element by element": "원소별로 쓰면",
    "The derivative of one element with respect to another": "한 원소를 다른 원소로 미분하면",
    "The derivative of one element with respect to another; a bracket is 1 where it holds, else 0": (
        "한 원소를 다른 원소로 미분하면(대괄호는 조건이 맞으면 1, 아니면 0)"
    ),
    "The chain rule over all elements": "모든 원소에 대한 연쇄 법칙",
    "The chain rule over all outputs": "모든 출력에 대한 연쇄 법칙",
    "The chain rule over the row": "행 전체에 대한 연쇄 법칙",
    "The chain rule over that row": "그 행에 대한 연쇄 법칙",
    "The chain rule over that column": "그 열에 대한 연쇄 법칙",
    "The chain rule, over all rows": "모든 행에 대한 연쇄 법칙",
    "The chain rule; a bracket is 1 where it holds, else 0": "연쇄 법칙(대괄호는 조건이 맞으면 1, 아니면 0)",
    "The quotient rule; a bracket is 1 where it holds, else 0": "몫의 미분법(대괄호는 조건이 맞으면 1, 아니면 0)",
    "What the bracket leaves": "대괄호가 남기는 항",
    "The chain rule; what the bracket leaves": "연쇄 법칙에서 대괄호가 남기는 항",
    "As a product of matrices": "행렬의 곱으로 쓰면",
    "Differentiate both sides of $A Y = I$: the change of $Y$ follows from that of $A$": (
        "$A Y = I$의 양변을 미분하면 $A$의 변화에서 $Y$의 변화를 얻습니다"
    ),
    "Differentiate both sides of $A Y = B$: the change of $Y$ follows from that of $A$": (
        "$A Y = B$의 양변을 미분하면 $A$의 변화에서 $Y$의 변화를 얻습니다"
    ),
    "Each element multiplies one of the other vector": "각 원소는 다른 벡터의 같은 원소에 곱해집니다",
    # Softmax and normalisation
    "The normaliser of a row": "행의 정규화 상수",
    "Each input of the row is in one term": "행의 각 입력은 한 항에만 있습니다",
    "The quotient is a probability": "몫은 확률입니다",
    "The logarithm of the normaliser is $y$: these are softmax's probabilities": (
        "정규화 상수의 로그가 결과 $y$이므로, 이것은 소프트맥스의 확률입니다"
    ),
    "p stands for all indices, p₁ for those of the first operand, p₂ of the second and p₀ of the result": (
        "p는 모든 인덱스, p₁은 첫째 배열의 인덱스, p₂는 둘째 배열의 인덱스, p₀은 결과의 인덱스를 나타냅니다"
    ),
    "An element is in the terms whose indices agree with its own, q": (
        "원소는 인덱스가 자기 인덱스 q와 같은 항에만 들어 있습니다"
    ),
    "The chain rule over those terms": "그 항들에 대한 연쇄 법칙",
    "Each element adds its kernel to the image": "원소마다 자기 커널을 이미지에 더합니다",
    "The chain rule over the places that it was added to": "더해진 모든 위치에 대한 연쇄 법칙",
    "Each weight is added once for every element": "가중치는 원소마다 한 번씩 더해집니다",
    "The mean of a row": "행의 평균",
    "The mean of a channel": "채널의 평균",
    "The chain rule over the channel": "채널 전체에 대한 연쇄 법칙",
    "The chain rule, over all samples and places": "모든 표본과 위치에 대한 연쇄 법칙",
    "Each output contains its own input": "출력마다 자기 입력 하나만 들어 있습니다",
    "What the bracket leaves: the gradient without its mean and without its part along the normalised channel": (
        "대괄호가 남기는 항: 기울기에서 평균과 정규화한 채널 방향의 성분을 뺀 것"
    ),
    "Its deviation": "표준편차",
    "The root of the mean square of a row": "행의 제곱평균제곱근",
    "The normalised values": "정규화한 값",
    "Every value has the same share in the mean": "평균에서 모든 값의 몫은 같습니다",
    "In the deviation the mean's own share cancels, as the differences from it sum to zero": (
        "평균과의 차를 모두 더하면 0이므로, 표준편차의 미분에서 평균의 변화는 상쇄됩니다"
    ),
    "The gradient at the normalised values": "정규화한 값의 기울기",
    "What the bracket leaves: the gradient without its mean and without its part along the normalised row": (
        "대괄호가 남기는 항: 기울기에서 평균과 정규화한 행 방향의 성분을 뺀 것"
    ),
    "What the bracket leaves: the gradient without its part along the normalised row": (
        "대괄호가 남기는 항: 기울기에서 정규화한 행 방향의 성분을 뺀 것"
    ),
    "Each output contains one of them": "출력마다 그중 하나만 들어 있습니다",
    # Attention
    "The scores": "점수",
    "The weights: softmax by rows": "가중치: 행별 소프트맥스",
    "Their mean of the values": "가중치로 구한 값들의 평균",
    "The derivative of one output with respect to one value; a bracket is 1 where it holds, else 0": (
        "한 출력을 한 값으로 미분하면(대괄호는 조건이 맞으면 1, 아니면 0)"
    ),
    "The gradient at the weights: each multiplies one row of $V$": (
        "가중치의 기울기: 가중치마다 $V$의 한 행에 곱해집니다"
    ),
    "The Jacobian of softmax; a bracket is 1 where it holds, else 0": (
        "소프트맥스의 야코비 행렬(대괄호는 조건이 맞으면 1, 아니면 0)"
    ),
    "The gradient at the weights, named": "가중치의 기울기에 이름을 붙이면",
    "The gradient at the scores": "점수의 기울기",
    "The gradient at the scores, named": "점수의 기울기에 이름을 붙이면",
    "A row of $Q$ is in the scores of its own row only": "$Q$의 한 행은 같은 행의 점수에만 들어갑니다",
    "A row of $K$ is in the scores of its own column only": "$K$의 한 행은 같은 번호의 열의 점수에만 들어갑니다",
    # Windows
    "Element by element: o counts output channels, m input channels, i places, k places of the kernel": (
        "원소별로 쓰면(o는 출력 채널, m은 입력 채널, i는 위치, k는 커널의 위치)"
    ),
    "Each weight meets one input of every window": "가중치마다 각 창의 입력 하나와 만납니다",
    "The chain rule over all samples and places": "모든 표본과 위치에 대한 연쇄 법칙",
    "An input is in several windows, each time under another weight": (
        "입력 하나는 여러 창에 들어가며, 창마다 다른 가중치와 만납니다"
    ),
    "The chain rule over all windows that contain it": "그 입력이 든 모든 창에 대한 연쇄 법칙",
    "The bias is added at every place": "편향은 모든 위치에 더해집니다",
    "Window by window": "창별로 쓰면",
    "Every input of a window counts once": "창의 입력은 모두 한 번씩 더해집니다",
    "Only the largest input of a window counts": "창에서 가장 큰 입력만 남습니다",
}
TITLES: Texts = {english: {"en": english, "ko": korean} for english, korean in _KOREAN.items()}
"""The titles of the records' own derivations."""
