"""Every sentence of a derivation, in English and in Korean."""

EN = {
    "derivation_of": "The gradient of {title}",
    "network": "The network",
    "forward": "The forward pass",
    "backward": "The backward pass",
    "summary": "The gradients",
    "check": "The check",
    "intro_network": "Each value below has one symbol. The label in brackets is the layer's.",
    "intro_forward": "From the inputs to the loss: what is computed, and what comes out.",
    "intro_backward": "From the loss to the inputs: the chain rule, one step for each value. Every gradient is what "
    "comes from the values after it, times the local derivative.",
    "intro_summary": "Every gradient has the shape of what it is the gradient of.",
    "intro_check": "Each formula above was read and evaluated by itself, with NumPy in float64 and apart from the "
    "engine, and compared with what the engine's tape holds.",
    "verdict_good": "All {count} equations are verified; the largest relative deviation is {worst}.",
    "verdict_bad": "{verified} of {count} equations are verified; {missing} are not.",
    "confirm_intro": "At the end, the loss is differentiated numerically: each parameter is moved along a random "
    "direction, and the change of the loss is compared with what the gradient says.",
    "confirm_all": "At the end, the loss is differentiated numerically: all parameters are moved at once along a "
    "random direction, and the change of the loss is compared with what the gradient says.",
    "symbol": "symbol",
    "name": "name",
    "role": "what it is",
    "shape": "shape",
    "gradient": "gradient",
    "variable": "variable",
    "norm": "norm",
    "deviation": "deviation",
    "analytic": "gradient says",
    "numeric": "measured",
    "verified": "verified, deviation {error}",
    "not_verified": "not verified",
    "wrong": "NOT VERIFIED: deviation {error}",
    "confirmed": "confirmed",
    "not_confirmed": "NOT CONFIRMED",
    "kink": "at a kink: there is no derivative to be measured",
    "all": "all parameters",
    "input": "input",
    "parameter": "parameter",
    "target": "target",
    "constant": "constant",
    "drawn": "drawn at random",
    "module": "module",
    "unused": "No gradient reaches {names}: the loss does not use it.",
    "folded": "and {count} more like these ({times} times in all)",
    "part": "The part that comes through {symbol}",
    "chain_rule": "Weighted with what comes back from the loss",
    "one_hot": "The class as a row of probabilities",
    "proof_forward": "Element by element",
    "proof_jacobian": "The derivative of one element by another; a bracket is 1 where it holds, else 0",
    "proof_chain": "The chain rule over all elements",
    "proof_left": "What the bracket leaves",
    "block_scores": "In blocks: the scores are made again from Q and K, block by block",
    "block_saved": "All that is saved of them is one number for each row, its log-sum-exp",
    "block_again": "From it, any block of the weights",
    "block_sums": "The row sums need no weights: they are those of the output and its gradient",
    "block_softmax": "The adjoint of softmax, for any block",
    "deviates": "the formula gives something else than the tape",
    "used_by": "used by",
    "value": "value",
    "size": "size of gradient",
    "factor": "factor",
    "zeros": "zeros",
    "verdict_none": "no gradient arrives.",
    "verdict_zero": "the gradient is zero everywhere.",
    "verdict_tiny": "the gradient is tiny.",
    "verdict_not_finite": "the gradient is not finite.",
    "verdict_partly_zero": "the gradient is zero in places.",
    "verdict_healthy": "the gradient is finite and nowhere zero.",
    "cause_frozen": "It is frozen: requires_grad is off, so nothing is computed for it; call requires_grad_(True).",
    "cause_unused": "The loss does not use it: no way leads from it to the loss, unless by numbers that left the "
    "tape (float(x), x.item()).",
    "cause_detached": "{operation} cuts it off: what follows is a constant; leave it out where a gradient is meant.",
    "cause_left_tape": "It is used through an array that left the tape (x.numpy(), x.data); {operation} takes it for a "
    "constant.",
    "cause_no_grad": "{operation} ran under no_grad, which records nothing.",
    "cause_integer_index": "It is used only through integers ({operation}), which have no derivative: they change in "
    "jumps.",
    "cause_constant": "{operation} has no derivative: its result is constant wherever it is smooth.",
    "cause_dead_relu": "Every unit of this ReLU is dead on these data: its largest input is {largest}, and the "
    "derivative is 0 up to 0.",
    "cause_saturated": "{operation} is saturated: its inputs lie between {low} and {high}, where its largest "
    "derivative is {slope}.",
    "cause_masked": "{operation} takes the other side everywhere, or multiplies with a mask that is 0 everywhere.",
    "cause_clipped": "clip holds every input at an end of [{low}, {high}], where its derivative is 0.",
    "cause_not_picked": "{operation} picks other elements than these.",
    "cause_zero_factor": "In {operation} the other factor is zero: the derivative by one factor is the other one.",
    "cause_pole": "{operation} has no finite derivative at {value}, which is among its inputs.",
    "cause_vanishes": "What arrives at {operation} cancels or underflows there.",
    "cause_shrinks": "It shrinks most in {operation}, by a factor of {factor}.",
    "cause_partly": "{share} of it is zero; most of the zeros arise in {operation}.",
    "cause_loss_not_finite": "The loss itself is not finite; {operation} is the first that makes such a value.",
    "in_module": "module {name}",
    "in_line": "line {line}: {text}",
    "made_by": "Made by chainrule {version}.",
}

KO = {
    "derivation_of": "{title}의 기울기",
    "network": "신경망",
    "forward": "순전파",
    "backward": "역전파",
    "summary": "기울기",
    "check": "검증",
    "intro_network": "아래의 모든 값에는 기호가 하나씩 있습니다. 괄호 안의 표지는 층을 나타냅니다.",
    "intro_forward": "입력에서 손실까지: 무엇을 계산하고 무엇이 나오는지 보입니다.",
    "intro_backward": "손실에서 입력까지: 값마다 한 단계씩 연쇄 법칙을 적용합니다. 각 기울기는 뒤의 값에서 온 기울기에 "
    "국소 기울기를 곱한 것입니다.",
    "intro_summary": "기울기의 형상은 그 변수의 형상과 같습니다.",
    "intro_check": "위의 모든 식을 엔진과 별도로 NumPy float64로 하나씩 읽고 계산하여, 엔진의 테이프에 기록된 값과 "
    "비교했습니다.",
    "verdict_good": "식 {count}개를 모두 검증했습니다. 최대 상대 편차는 {worst}입니다.",
    "verdict_bad": "식 {count}개 중 {verified}개를 검증했고, {missing}개는 검증되지 않았습니다.",
    "confirm_intro": "마지막으로 손실을 수치 미분합니다. 매개변수를 하나씩 무작위 방향으로 움직여, "
    "손실의 변화를 기울기가 말하는 값과 비교합니다.",
    "confirm_all": "마지막으로 손실을 수치 미분합니다. 모든 매개변수를 함께 무작위 방향으로 움직여, "
    "손실의 변화를 기울기가 말하는 값과 비교합니다.",
    "symbol": "기호",
    "name": "이름",
    "role": "역할",
    "shape": "형상",
    "gradient": "기울기",
    "variable": "변수",
    "norm": "노름",
    "deviation": "편차",
    "analytic": "기울기에 따른 값",
    "numeric": "측정한 값",
    "verified": "검증됨, 편차 {error}",
    "not_verified": "검증되지 않음",
    "wrong": "검증되지 않음: 편차 {error}",
    "confirmed": "확인됨",
    "not_confirmed": "확인되지 않음",
    "kink": "꺾인 점: 측정할 미분이 없습니다",
    "all": "모든 매개변수",
    "input": "입력",
    "parameter": "매개변수",
    "target": "목표값",
    "constant": "상수",
    "drawn": "무작위로 뽑은 값",
    "module": "모듈",
    "unused": "{names}에는 기울기가 없습니다. 손실이 이 값을 쓰지 않습니다.",
    "folded": "이와 같은 것이 {count}개 더 있습니다(모두 {times}번)",
    "part": "{symbol}에서 오는 부분",
    "chain_rule": "손실에서 온 기울기로 가중하면",
    "one_hot": "클래스를 확률의 행으로 쓰면",
    "proof_forward": "원소별로 쓰면",
    "proof_jacobian": "한 원소를 다른 원소로 미분하면(대괄호는 조건이 맞으면 1, 아니면 0)",
    "proof_chain": "모든 원소에 대한 연쇄 법칙",
    "proof_left": "대괄호가 남기는 것",
    "block_scores": "블록별로: 점수는 Q와 K에서 블록마다 다시 계산합니다",
    "block_saved": "점수에서 저장하는 것은 행마다 하나의 수, 로그-합-지수뿐입니다",
    "block_again": "그것으로 가중치의 어떤 블록이든 다시 만듭니다",
    "block_sums": "행의 합에는 가중치가 필요 없습니다: 출력과 그 기울기로 충분합니다",
    "block_softmax": "어떤 블록에서든 소프트맥스의 수반",
    "deviates": "식의 값이 테이프의 값과 다릅니다",
    "used_by": "쓰는 연산",
    "value": "값",
    "size": "기울기의 크기",
    "factor": "배율",
    "zeros": "0의 비율",
    "verdict_none": "기울기가 오지 않습니다.",
    "verdict_zero": "기울기가 모두 0입니다.",
    "verdict_tiny": "기울기가 아주 작습니다.",
    "verdict_not_finite": "기울기가 유한하지 않습니다.",
    "verdict_partly_zero": "기울기의 일부가 0입니다.",
    "verdict_healthy": "기울기가 유한하고 0인 곳이 없습니다.",
    "cause_frozen": "동결된 매개변수입니다: requires_grad가 꺼져 있어 계산하지 않습니다. "
    "requires_grad_(True)를 부르십시오.",
    "cause_unused": "손실이 이 값을 쓰지 않습니다: 테이프를 떠난 수(float(x), x.item())를 거치지 않는 한 "
    "손실로 가는 길이 없습니다.",
    "cause_detached": "{operation}에서 끊깁니다: 그 뒤는 상수입니다. 기울기가 필요하면 빼십시오.",
    "cause_left_tape": "테이프를 떠난 배열(x.numpy(), x.data)로 쓰입니다. {operation} 연산은 이를 상수로 봅니다.",
    "cause_no_grad": "{operation} 연산이 no_grad 안에서 실행되어 기록되지 않았습니다.",
    "cause_integer_index": "정수({operation})를 거쳐서만 쓰입니다. 정수는 건너뛰며 변하므로 미분이 없습니다.",
    "cause_constant": "{operation}에는 미분이 없습니다: 매끄러운 곳에서는 결과가 상수입니다.",
    "cause_dead_relu": "이 자료에서 이 ReLU의 모든 유닛이 죽어 있습니다: "
    "가장 큰 입력이 {largest}이고, 0까지는 미분이 0입니다.",
    "cause_saturated": "{operation} 함수가 포화했습니다: 입력이 {low}에서 {high} 사이이고, "
    "거기서 가장 큰 미분이 {slope}입니다.",
    "cause_masked": "{operation} 연산이 모든 곳에서 다른 쪽을 택하거나, 모두 0인 마스크를 곱합니다.",
    "cause_clipped": "clip이 모든 입력을 [{low}, {high}]의 끝에 붙잡고 있고, 거기서 미분은 0입니다.",
    "cause_not_picked": "{operation} 연산이 다른 원소를 고릅니다.",
    "cause_zero_factor": "{operation}에서 다른 인수가 0입니다: 한 인수에 대한 미분은 다른 인수입니다.",
    "cause_pole": "{operation} 연산의 입력에 {value}이(가) 있고, 거기서는 유한한 미분이 없습니다.",
    "cause_vanishes": "{operation}에 도착한 것이 거기서 상쇄되거나 언더플로합니다.",
    "cause_shrinks": "{operation}에서 가장 많이 줄어듭니다: {factor}배.",
    "cause_partly": "{share}가 0이고, 대부분 {operation}에서 생깁니다.",
    "cause_loss_not_finite": "손실 자체가 유한하지 않습니다. 그런 값을 처음 만드는 연산은 {operation}입니다.",
    "in_module": "모듈 {name}",
    "in_line": "{line}행: {text}",
    "made_by": "chainrule {version}로 만들었습니다.",
}

TITLES_KO = {
    "The loss": "손실",
    "Its derivative by the probabilities": "확률에 대한 손실의 미분",
    "The Jacobian of softmax": "소프트맥스의 야코비 행렬",
    "The chain rule: substitute both; each probability cancels": "연쇄 법칙: 둘을 대입하면 확률이 약분됩니다",
    "Only i = j is left of the sum": "합에서는 i = j인 항만 남습니다",
    "The target sums to one": "목표값의 합은 1입니다",
}
"""The titles of the records' own derivations: they are written in English, once."""

LANGUAGES = {"en": EN, "ko": KO}


class Catalogue:
    """The sentences of one language."""

    def __init__(self, lang: str) -> None:
        if lang not in LANGUAGES:
            raise ValueError(f"explain: lang: expected one of {', '.join(LANGUAGES)}, got {lang!r}")
        self.lang = lang
        self._sentences = LANGUAGES[lang]

    def __getitem__(self, key: str) -> str:
        return self._sentences[key]

    def title(self, english: str) -> str:
        """Return the title of a record's step in this language."""
        return TITLES_KO.get(english, english) if self.lang == "ko" else english
