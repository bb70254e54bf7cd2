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
    "kink": "at a kink: the gradient is one of the slopes on its two sides",
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
    "proof_jacobian": "The derivative of one element by another; δ with two indices is Kronecker's",
    "proof_chain": "The chain rule over all elements",
    "proof_left": "What the Kronecker delta leaves",
    "deviates": "the formula gives something else than the tape",
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
    "kink": "꺾인 점: 기울기는 양쪽 기울기 중 하나입니다",
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
    "proof_jacobian": "한 원소를 다른 원소로 미분하면(첨자가 둘인 δ는 크로네커 델타)",
    "proof_chain": "모든 원소에 대한 연쇄 법칙",
    "proof_left": "크로네커 델타가 남기는 것",
    "deviates": "식의 값이 테이프의 값과 다릅니다",
    "in_module": "모듈 {name}",
    "in_line": "{line}행: {text}",
    "made_by": "chainrule {version}로 만들었습니다.",
}

TITLES_KO = {
    "The loss": "손실",
    "Its derivative by the probabilities": "확률에 대한 손실의 미분",
    "The Jacobian of softmax": "소프트맥스의 야코비 행렬",
    "The chain rule: substitute both; each probability cancels": "연쇄 법칙: 둘을 대입하면 확률이 약분됩니다",
    "Only i = j is left of the Kronecker delta": "크로네커 델타에서는 i = j인 항만 남습니다",
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
