"""Every sentence of a derivation, in English and in Korean."""

import re

from chainrule.present.texts import Texts, Words

from .titles import TITLES

TEXT: Texts = {
    # The sections of a derivation
    "derivation_of": {"en": "The gradient of {title}", "ko": "{title}의 기울기"},
    "derivation_repr": {
        "en": "<Derivation of {title}: {verified} of {count} equations verified>",
        "ko": "<{title}의 기울기 유도: 식 {count}개 중 {verified}개 검증>",
    },
    "network": {"en": "The network", "ko": "신경망"},
    "forward": {"en": "The forward pass", "ko": "순전파"},
    "backward": {"en": "The backward pass", "ko": "역전파"},
    "summary": {"en": "The gradients", "ko": "기울기"},
    "check": {"en": "The check", "ko": "검증"},
    "intro_network": {
        "en": "Each value below has one symbol. The label in brackets is the layer's.",
        "ko": "아래의 모든 값에는 기호가 하나씩 있습니다. 괄호 안의 표지는 층을 나타냅니다.",
    },
    "complex": {
        "en": "Some values are complex. The gradient with respect to z = x + iy is ∂L/∂z = ∂L/∂x - i ∂L/∂y; with this "
        "convention the chain rule multiplies as it does for real numbers. A real value has a real gradient: the real "
        "part of what arrives.",
        "ko": "복소수인 값이 있습니다. z = x + iy에 대한 기울기는 ∂L/∂z = ∂L/∂x - i ∂L/∂y로 정의합니다. 이렇게 하면 "
        "연쇄 법칙을 실수에서와 똑같이 곱셈으로 쓸 수 있습니다. 실수인 값의 기울기는 실수이며, 도착한 값의 "
        "실수부입니다.",
    },
    "intro_forward": {
        "en": "From the inputs to the loss: what is computed, and what comes out.",
        "ko": "입력에서 손실까지: 무엇을 계산하고 무엇이 나오는지 보입니다.",
    },
    "intro_backward": {
        "en": "From the loss to the inputs: the chain rule, one step for each value. Every gradient is what comes "
        "from the values after it, times the local derivative.",
        "ko": "손실에서 입력까지: 값마다 한 단계씩 연쇄 법칙을 적용합니다. 각 기울기는 뒤의 값에서 온 기울기에 국소 "
        "기울기를 곱한 것입니다.",
    },
    "intro_summary": {
        "en": "Every gradient has the shape of what it is the gradient of.",
        "ko": "기울기의 모양은 그 변수의 모양과 같습니다.",
    },
    "intro_check": {
        "en": "Each formula above was read and evaluated by itself, with NumPy in float64 and apart from the engine, "
        "and compared with what the engine's tape holds.",
        "ko": "위의 모든 식을 엔진과 별도로 NumPy float64로 하나씩 읽고 계산하여, 엔진의 테이프에 기록된 값과 "
        "비교했습니다.",
    },
    "verdict_good": {
        "en": "All {count} equations are verified; the largest relative deviation is {worst}.",
        "ko": "식 {count}개를 모두 검증했습니다. 최대 상대 편차는 {worst}입니다.",
    },
    "verdict_bad": {
        "en": "{verified} of {count} equations are verified; {missing} are not.",
        "ko": "식 {count}개 중 {verified}개를 검증했고, {missing}개는 검증되지 않았습니다.",
    },
    "confirm_intro": {
        "en": "At the end, the loss is differentiated numerically: each parameter is moved along a random direction, "
        "and the change of the loss is compared with what the gradient says.",
        "ko": "마지막으로 손실을 수치 미분합니다. 매개변수를 하나씩 무작위 방향으로 움직여, 손실의 변화를 기울기가 "
        "말하는 값과 비교합니다.",
    },
    "confirm_all": {
        "en": "At the end, the loss is differentiated numerically: all parameters are moved at once along a random "
        "direction, and the change of the loss is compared with what the gradient says.",
        "ko": "마지막으로 손실을 수치 미분합니다. 모든 매개변수를 함께 무작위 방향으로 움직여, 손실의 변화를 기울기가 "
        "말하는 값과 비교합니다.",
    },
    # Tables and verdicts
    "symbol": {"en": "symbol", "ko": "기호"},
    "name": {"en": "name", "ko": "이름"},
    "role": {"en": "what it is", "ko": "역할"},
    "shape": {"en": "shape", "ko": "모양"},
    "gradient": {"en": "gradient", "ko": "기울기"},
    "variable": {"en": "variable", "ko": "변수"},
    "norm": {"en": "norm", "ko": "노름"},
    "deviation": {"en": "deviation", "ko": "편차"},
    "analytic": {"en": "gradient says", "ko": "기울기에 따른 값"},
    "numeric": {"en": "measured", "ko": "측정한 값"},
    "verified": {"en": "verified, deviation {error}", "ko": "검증됨, 편차 {error}"},
    "not_verified": {"en": "not verified", "ko": "검증되지 않음"},
    "wrong": {"en": "NOT VERIFIED: deviation {error}", "ko": "검증되지 않음: 편차 {error}"},
    "confirmed": {"en": "confirmed", "ko": "확인됨"},
    "not_confirmed": {"en": "NOT CONFIRMED", "ko": "확인되지 않음"},
    "kink": {"en": "at a kink: there is no derivative to be measured", "ko": "꺾인 점: 측정할 미분이 없습니다"},
    "all": {"en": "all parameters", "ko": "모든 매개변수"},
    "input": {"en": "input", "ko": "입력"},
    "parameter": {"en": "parameter", "ko": "매개변수"},
    "target": {"en": "target", "ko": "목표값"},
    "constant": {"en": "constant", "ko": "상수"},
    "indices": {"en": "indices", "ko": "인덱스"},
    "drawn": {"en": "drawn at random", "ko": "무작위로 뽑은 값"},
    "module": {"en": "module", "ko": "모듈"},
    "unused": {
        "en": "No gradient reaches {names}: the loss does not use it.",
        "ko": "{names}에는 기울기가 없습니다. 손실이 이 값을 쓰지 않습니다.",
    },
    "folded": {
        "en": "and {count} more like these ({times} times in all)",
        "ko": "이와 같은 것이 {count}개 더 있습니다(모두 {times}번)",
    },
    # The titles of lines
    "part": {"en": "The part that comes through {symbol}", "ko": "{symbol}에서 오는 부분"},
    "chain_rule": {"en": "Weighted with what comes back from the loss", "ko": "손실에서 온 기울기로 가중하면"},
    "one_hot": {"en": "The class as a row of probabilities", "ko": "클래스를 확률의 행으로 쓰면"},
    "proof_name": {"en": "With a name for the argument", "ko": "인수에 이름을 붙이면"},
    "proof_along": {
        "en": " (a row runs along axis {axes} here, and i counts the rows)",
        "ko": "(여기서 행은 축 {axes} 방향이고, i는 행의 번호입니다)",
    },
    "proof_given": {
        "en": "Taken as given, in the letters of the rule for {formula}",
        "ko": "증명 없이 쓰는 규칙({formula}의 문자로)",
    },
    "proof_given_here": {"en": "Taken as given", "ko": "증명 없이 쓰는 규칙"},
    "block_scores": {
        "en": "In blocks: the scores are made again from Q and K, block by block",
        "ko": "블록별로: 점수는 Q와 K에서 블록마다 다시 계산합니다",
    },
    "block_saved": {
        "en": "All that is saved of them is one number for each row, its log-sum-exp",
        "ko": "점수 가운데 저장하는 것은 행마다 수 하나(로그-합-지수)뿐입니다",
    },
    "block_again": {"en": "From it, any block of the weights", "ko": "이것으로 가중치의 어느 블록이든 다시 계산합니다"},
    "block_sums": {
        "en": "The row sums need no weights: they are those of the output and its gradient",
        "ko": "행의 합에는 가중치가 필요 없습니다: 출력과 그 기울기만으로 구합니다",
    },
    "block_softmax": {"en": "The adjoint of softmax, for any block", "ko": "어느 블록에서든 소프트맥스의 수반"},
    "deviates": {"en": "the formula gives something else than the tape", "ko": "식의 값이 테이프의 값과 다릅니다"},
    "rest": {
        "en": "0 up to rounding: the terms cancel, and what is left, up to {size}, is no more than their rounding",
        "ko": "반올림 오차 안에서 0: 항들이 서로 지워지고, 남는 값(최대 {size})은 항들의 반올림 오차를 넘지 않습니다",
    },
    # Why a gradient is what it is
    "used_by": {"en": "used by", "ko": "쓰는 연산"},
    "value": {"en": "value", "ko": "값"},
    "size": {"en": "size of gradient", "ko": "기울기의 크기"},
    "factor": {"en": "factor", "ko": "배율"},
    "zeros": {"en": "zeros", "ko": "0의 비율"},
    "size_text": {"en": "norm of the gradient of this value", "ko": "이 값의 기울기의 노름"},
    "factor_text": {
        "en": "norm of what arrives through the operation, over the norm at the operation's result",
        "ko": "연산을 거쳐 도착한 기울기의 노름을 연산 결과의 기울기 노름으로 나눈 값",
    },
    "zeros_text": {"en": "share of the gradient's elements that are zero", "ko": "기울기의 원소 가운데 0인 것의 비율"},
    "verdict_none": {"en": "no gradient arrives.", "ko": "기울기가 오지 않습니다."},
    "verdict_zero": {"en": "the gradient is zero everywhere.", "ko": "기울기가 모두 0입니다."},
    "verdict_tiny": {"en": "the gradient is tiny.", "ko": "기울기가 아주 작습니다."},
    "verdict_not_finite": {"en": "the gradient is not finite.", "ko": "기울기가 유한하지 않습니다."},
    "verdict_partly_zero": {"en": "the gradient is zero in places.", "ko": "기울기의 일부가 0입니다."},
    "verdict_healthy": {"en": "the gradient is finite and nowhere zero.", "ko": "기울기가 유한하고 0인 곳이 없습니다."},
    "cause_frozen": {
        "en": "It is frozen: requires_grad is off, so nothing is computed for it; call requires_grad_(True).",
        "ko": "동결된 매개변수입니다: requires_grad가 꺼져 있어 계산하지 않습니다. requires_grad_(True)를 부르십시오.",
    },
    "cause_unused": {
        "en": "The loss does not use it: no path leads from it to the loss, except through numbers that left the tape "
        "(float(x), x.item()).",
        "ko": "손실이 이 값을 쓰지 않습니다: 테이프에 기록되지 않는 수(float(x), x.item())를 거치는 경우가 아니면 "
        "손실로 이어지는 경로가 없습니다.",
    },
    "cause_detached": {
        "en": "{operation} cuts it off: what follows is a constant; leave it out where a gradient is meant.",
        "ko": "{operation}에서 끊깁니다: 그 뒤는 상수입니다. 기울기가 필요하면 이 연산을 빼십시오.",
    },
    "cause_left_tape": {
        "en": "It is used through an array that left the tape (x.numpy(), x.data); {operation} takes it for a "
        "constant.",
        "ko": "테이프에서 벗어난 배열(x.numpy(), x.data)로 쓰입니다. {operation} 연산은 이를 상수로 봅니다.",
    },
    "cause_no_grad": {
        "en": "{operation} ran under no_grad, which records nothing.",
        "ko": "{operation} 연산이 no_grad 안에서 실행되어 기록되지 않았습니다.",
    },
    "cause_integer_index": {
        "en": "It is used only through integers ({operation}), which have no derivative: they change in jumps.",
        "ko": "정수({operation})를 거쳐서만 쓰입니다. 정수는 불연속으로 변하므로 미분이 없습니다.",
    },
    "cause_constant": {
        "en": "{operation} has no derivative: its result is constant wherever it is smooth.",
        "ko": "{operation}에는 미분이 없습니다: 매끄러운 곳에서는 결과가 상수입니다.",
    },
    "cause_dead_relu": {
        "en": "Every unit of this ReLU is dead on these data: its largest input is {largest}, and the derivative is 0 "
        "up to 0.",
        "ko": "이 데이터에서 이 ReLU의 모든 유닛이 죽어 있습니다: 가장 큰 입력이 {largest}{이며}, 0 이하에서는 미분이 "
        "0입니다.",
    },
    "cause_saturated": {
        "en": "{operation} is saturated: its inputs lie between {low} and {high}, where its largest derivative is "
        "{slope}.",
        "ko": "{operation} 함수가 포화되었습니다: 입력이 {low}에서 {high} 사이이고, 거기서 미분의 최댓값은 "
        "{slope}입니다.",
    },
    "cause_masked": {
        "en": "{operation} takes the other side everywhere, or multiplies with a mask that is 0 everywhere.",
        "ko": "{operation} 연산이 모든 곳에서 다른 쪽을 택하거나, 모두 0인 마스크를 곱합니다.",
    },
    "cause_clipped": {
        "en": "clip holds every input at an end of [{low}, {high}], where its derivative is 0.",
        "ko": "clip이 모든 입력을 [{low}, {high}]의 한쪽 끝으로 자르며, 거기서 미분은 0입니다.",
    },
    "cause_not_picked": {
        "en": "{operation} picks other elements than these.",
        "ko": "{operation} 연산이 다른 원소를 고릅니다.",
    },
    "cause_zero_factor": {
        "en": "In {operation} the other factor is zero: the derivative with respect to one factor is the other.",
        "ko": "{operation}에서 다른 인수가 0입니다: 곱을 한 인수로 미분하면 다른 인수가 됩니다.",
    },
    "cause_pole": {
        "en": "{operation} has no finite derivative at {value}, which is among its inputs.",
        "ko": "{operation} 연산의 입력에 {value}{이} 있고, 거기서는 유한한 미분이 없습니다.",
    },
    "cause_vanishes": {
        "en": "What arrives at {operation} cancels or underflows there.",
        "ko": "{operation}에 도착한 기울기가 거기서 상쇄되거나 언더플로로 사라집니다.",
    },
    "cause_cancels": {
        "en": "What arrives at {operation} cancels there: what is left, up to {left}, is no more than its rounding.",
        "ko": "{operation}에 도착한 기울기가 거기서 서로 지워집니다: 남는 값(최대 {left})은 반올림 오차를 넘지 "
        "않습니다.",
    },
    "cause_shrinks": {
        "en": "It shrinks most in {operation}, by a factor of {factor}.",
        "ko": "{operation}에서 가장 많이 줄어듭니다: {factor}배.",
    },
    "cause_partly": {
        "en": "{share} of it is zero; most of the zeros arise in {operation}.",
        "ko": "{share}가 0이고, 대부분 {operation}에서 생깁니다.",
    },
    "cause_loss_not_finite": {
        "en": "The loss itself is not finite; {operation} is the first that makes such a value.",
        "ko": "손실 자체가 유한하지 않습니다. 그런 값을 처음 만드는 연산은 {operation}입니다.",
    },
    # Words in formulas
    "math_otherwise": {"en": "otherwise", "ko": "그 외"},
    "math_0_elsewhere": {"en": "0 elsewhere", "ko": "나머지는 0"},
    "math_written_last": {"en": "written last", "ko": "마지막에 쓴 것"},
    "math_new": {"en": "new", "ko": "새 축"},
    "math_axis": {"en": "axis {what}", "ko": "축 {what}"},
    "math_axes": {"en": "axes {what}", "ko": "축 {what}"},
    "math_part": {"en": "part {what}", "ko": "{what}번째 부분"},
    # Places
    "in_module": {"en": "module {name}", "ko": "모듈 {name}"},
    "in_line": {"en": "line {line}: {text}", "ko": "{line}행: {text}"},
    "in_unknown_line": {"en": "line {line}", "ko": "{line}행"},
    "made_by": {"en": "Made by chainrule {version}.", "ko": "chainrule {version}{으로} 만들었습니다."},
}


_IN_FORMULAS = re.compile(
    r"\\text\{(?P<word>otherwise|0 elsewhere|written last|new|axis|axes|part)(?: (?P<what>[\d, ]+))?\}"
)
"""The words in formulas, which come from the records in English."""
_CASES = re.compile(r"\\begin\{cases\}.*?\\end\{cases\}", re.DOTALL)
_CONDITION = re.compile(r"& (?!\\text)(?P<condition>(?:(?!\\\\|\\end|&).)+?) ?(?= \\\\| \\end\{cases\})")


def _with_conditions(cases: str) -> str:
    """Return alternatives whose conditions are said to be conditions; in English the word before them says it."""
    return _CONDITION.sub(r"& \g<condition>\\text{일 때}", cases)


class Catalogue(Words):
    """The sentences of one language."""

    def __init__(self, lang: str) -> None:
        super().__init__(TEXT, lang, "explain: ")

    def title(self, english: str) -> str:
        """Return the title of a record's step in this language."""
        return Words(TITLES, self.lang).get(english, english)

    def math(self, latex: str) -> str:
        r"""Return a formula with its words in this language: `\text{otherwise}`, `\text{axis 1}`.

        >>> Catalogue("ko").math(r"\sum_{\text{axis 1}} x")
        '\\sum_{\\text{축 1}} x'
        """
        if self.lang == "en":
            return latex
        return _CASES.sub(lambda found: _with_conditions(found[0]), _IN_FORMULAS.sub(self._word, latex))

    def _word(self, found: re.Match[str]) -> str:
        said = self("math_" + found["word"].replace(" ", "_"), what=found["what"] or "").strip()
        return rf"\text{{{said}}}"
