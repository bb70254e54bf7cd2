"""The words of the reports, in English and Korean."""

from collections.abc import Mapping
from typing import Any

TEXT: Mapping[str, tuple[str, str]] = {
    # Evidence, by the key of the verdict
    "healthy": (
        "nothing passes its limit: gradients reach every layer (flow {flow:.2g}), the loss goes from {loss:.4g} "
        "to {final:.4g} in {steps} steps",
        "기준을 넘는 값이 없습니다: 기울기가 모든 층에 닿고(흐름 {flow:.2g}), 손실이 {steps}단계 동안 "
        "{loss:.4g}에서 {final:.4g}(으)로 변합니다",
    ),
    "healthy untrained": (
        "nothing passes its limit: gradients reach every layer (flow {flow:.2g}), the loss is {loss:.4g}",
        "기준을 넘는 값이 없습니다: 기울기가 모든 층에 닿고(흐름 {flow:.2g}), 손실은 {loss:.4g}입니다",
    ),
    "not-finite": (
        "the first value that is not finite is made by {operation}{where}, in the {direction} pass, from "
        "arguments of the shapes {shapes} that were finite",
        "유한하지 않은 첫 값은 {direction}의 {operation}{where}에서, 유한한 인수(모양 {shapes})로부터 생겼습니다",
    ),
    "not-finite input": (
        "the input itself holds NaN or infinite values (shapes {shapes})",
        "입력 자체에 NaN 또는 무한대가 있습니다(모양 {shapes})",
    ),
    "not-finite later": (
        "the loss is finite at first and no longer after {steps} steps",
        "손실이 처음에는 유한하지만 {steps}단계 뒤에는 유한하지 않습니다",
    ),
    "gradient-cut": (
        "no gradient reaches {names}: {how}{where} cuts the path to the loss",
        "{names}에 기울기가 닿지 않습니다: {how}{where}이(가) 손실로 가는 경로를 끊습니다",
    ),
    "gradient-cut unused": (
        "no gradient reaches {names}: the forward pass does not use it, or nothing that the loss sees depends on it",
        "{names}에 기울기가 닿지 않습니다: 순전파가 쓰지 않거나, 손실이 보는 값이 이것에 의존하지 않습니다",
    ),
    "normalisation-misplaced": (
        "{type} takes its moments over {count} value(s): samples differ by {before:.2g} before it and by "
        "{after:.2g} after it, so what they had to say is gone",
        "{type}이(가) 값 {count}개에서 평균과 분산을 구합니다: 표본 간 차이가 {before:.2g}에서 {after:.2g}(으)로 "
        "줄어 정보가 사라집니다",
    ),
    "normalisation-misplaced error": ("{type} cannot run: {error}", "{type}을(를) 실행할 수 없습니다: {error}"),
    "normalisation-misplaced last": (
        "{type} is the last operation before the loss: it fixes the outputs' size, which the loss needs free; "
        "the loss stays at {ratio:.0%} of chance",
        "{type}이(가) 손실 바로 앞의 마지막 연산입니다: 손실이 필요로 하는 출력의 크기를 고정하며, 손실이 무작위 "
        "수준의 {ratio:.0%}에 머뭅니다",
    ),
    "loss-mismatch twice": (
        "the outputs are probabilities already (made by {operation}; rows sum to 1), and the loss applies {own} again",
        "출력이 이미 확률({operation}의 결과)인데 손실이 {own}을(를) 다시 적용합니다",
    ),
    "loss-mismatch probabilities": (
        "the loss takes log-probabilities and gets probabilities: it is {loss:.3g}, and no log-likelihood is negative",
        "손실은 로그 확률을 받아야 하는데 확률을 받습니다: 값이 {loss:.3g}(음수)입니다",
    ),
    "loss-mismatch sum": (
        "the loss is a sum over the batch, so a step grows with the batch size (batches of {sizes} samples); the "
        "optimiser's steps follow the gradient's size",
        "손실이 배치에 대한 합이어서 배치 크기({sizes})에 비례해 걸음이 커집니다",
    ),
    "loss-mismatch range": (
        "{share:.0%} of the targets lie outside what {operation} can give ({low:g} to {high:g}): they run from "
        "{least:.3g} to {most:.3g}",
        "목표값의 {share:.0%}이(가) {operation}이(가) 낼 수 있는 범위({low:g}–{high:g}) 밖에 있습니다: "
        "{least:.3g}–{most:.3g}",
    ),
    "loss-mismatch clipped": (
        "the outputs end with {operation}, which cuts off every logit below 0, and the loss is a cross-entropy",
        "출력이 {operation}(으)로 끝나 0보다 작은 로짓이 모두 잘리는데, 손실은 교차 엔트로피입니다",
    ),
    "bad-input-scale size": (
        "the inputs' root mean square (zeros apart) is {size:.3g}; about 1 is expected",
        "입력의 제곱평균제곱근(0 제외)이 {size:.3g}입니다. 1 정도여야 합니다",
    ),
    "bad-input-scale spread": (
        "the largest feature is {spread:.3g} times the smallest (features {large} and {small})",
        "가장 큰 특징이 가장 작은 특징의 {spread:.3g}배입니다(특징 {large}, {small})",
    ),
    "bad-input-scale offset": (
        "the typical feature lies {offset:.3g} of its standard deviations from zero",
        "특징이 보통 0에서 표준편차의 {offset:.3g}배 떨어져 있습니다",
    ),
    "bad-initialisation symmetric": (
        "all {units} units of the layer are equal, in weights and gradient (difference {symmetric:.1e}): they "
        "stay copies of each other",
        "층의 유닛 {units}개가 가중치와 기울기 모두 같습니다(차이 {symmetric:.1e}): 계속 서로의 복사본으로 남습니다",
    ),
    "bad-initialisation large": (
        "the weights are {gain:.3g} times as large as {function} asks for (largest singular value "
        "{largest:.3g}); what follows: {effect}",
        "가중치가 {function}에 알맞은 크기의 {gain:.3g}배입니다(최대 특잇값 {largest:.3g}). 그 결과: {effect}",
    ),
    "bad-initialisation small": (
        "the weights are {gain:.3g} times as large as {function} asks for (largest singular value "
        "{largest:.3g}); what follows: {effect}",
        "가중치가 {function}에 알맞은 크기의 {gain:.3g}배밖에 되지 않습니다(최대 특잇값 {largest:.3g}). 그 결과: "
        "{effect}",
    ),
    "exploding": (
        "‖∂L/∂z‖ is {ratio:.2g} times that of the last layer {last}; a step multiplies it by {step:.3g} "
        "(activation {activation:.3g}, weights {weight:.3g}; largest singular value {largest:.3g})",
        "‖∂L/∂z‖가 마지막 층 {last}의 {ratio:.2g}배입니다. 한 층마다 {step:.3g}배(활성화 {activation:.3g}, "
        "가중치 {weight:.3g}, 최대 특잇값 {largest:.3g})가 됩니다",
    ),
    "exploding forward": (
        "the values grow {ratio:.2g}-fold from the first layer to {last}, {step:.3g}-fold in each (largest "
        "singular value {largest:.3g})",
        "값이 첫 층에서 {last}까지 {ratio:.2g}배, 층마다 {step:.3g}배 커집니다(최대 특잇값 {largest:.3g})",
    ),
    "vanishing": (
        "‖∂L/∂z‖ is {ratio:.2g} times that of the last layer {last}; a step multiplies it by {step:.3g} "
        "(activation {activation:.3g}, weights {weight:.3g}; largest singular value {largest:.3g})",
        "‖∂L/∂z‖가 마지막 층 {last}의 {ratio:.2g}배입니다. 한 층마다 {step:.3g}배(활성화 {activation:.3g}, "
        "가중치 {weight:.3g}, 최대 특잇값 {largest:.3g})가 됩니다",
    ),
    "left out": (
        "{count} remedies were left out, which the budget of {budget:.3g} s had no time for: {names}",
        "{budget:.3g}초의 예산(budget)이 모자라 시도하지 못한 처방 {count}개: {names}",
    ),
    "fewer steps": (
        "{steps} steps were taken in place of {wanted}: the budget of {budget:.3g} s had no time for more",
        "{budget:.3g}초의 예산(budget)이 모자라 {wanted}단계 대신 {steps}단계만 학습했습니다",
    ),
    "dead-units": (
        "{dead:.0%} of the layer's {units} units are flat ({function} gives slope 0) for every sample of "
        "{batches} batches: they get no gradient",
        "층의 유닛 {units}개 중 {dead:.0%}이(가) {batches}개 배치의 모든 표본에서 죽어 있습니다({function}의 기울기 0)",
    ),
    "saturated": (
        "{saturated:.0%} of the values lie where {function} is flat (slope under 5 % of its largest); the "
        "activation alone multiplies the gradient by {factor:.2g}",
        "값의 {saturated:.0%}이(가) {function}의 평평한 부분에 있습니다(기울기가 최대의 5 % 미만). 활성화만으로 "
        "기울기가 {factor:.2g}배가 됩니다",
    ),
    "saturated attention": (
        "the attention scores have a standard deviation of {spread:.3g}{scale}: on average a row gives "
        "{peaked:.0%} of its weight to one place, where softmax is flat",
        "어텐션 점수의 표준편차가 {spread:.3g}{scale}입니다: 한 행이 평균 가중치의 {peaked:.0%}을(를) 한 곳에 "
        "주며, 거기서 소프트맥스는 평평합니다",
    ),
    "learning-rate-too-high": (
        "a step moves the weights by {update:.2g} of their size, and the loss goes from {loss:.4g} to "
        "{final:.4g}; with a rate of {lr:.2g} it goes to {better:.4g}",
        "한 걸음이 가중치를 그 크기의 {update:.2g}배만큼 움직이고 손실이 {loss:.4g}에서 {final:.4g}(으)로 "
        "갑니다. 학습률 {lr:.2g}에서는 {better:.4g}(으)로 갑니다",
    ),
    "learning-rate-too-low": (
        "a step moves the weights by {update:.2g} of their size, and the loss goes from {loss:.4g} to "
        "{final:.4g} only; with a rate of {lr:.2g} it goes to {better:.4g}",
        "한 걸음이 가중치를 그 크기의 {update:.2g}배만큼만 움직이고 손실이 {loss:.4g}에서 {final:.4g}(으)로 갈 "
        "뿐입니다. 학습률 {lr:.2g}에서는 {better:.4g}(으)로 갑니다",
    ),
    "noise-dominates": (
        "the gradient noise scale is {scale:.3g} samples, {ratio:.3g} times the batch of {batch:.0f}: batches "
        "disagree about the direction, and the loss stays at {level:.0%} of chance",
        "기울기 잡음 규모가 표본 {scale:.3g}개로 배치 {batch:.0f}의 {ratio:.3g}배입니다: 배치마다 방향이 다르고, "
        "손실이 무작위 수준의 {level:.0%}에 머뭅니다",
    ),
    "loss-at-chance": (
        "after {steps} steps the loss is {final:.4g}, {level:.0%} of what the best constant answer has ({chance:.4g})",
        "{steps}단계 뒤의 손실이 {final:.4g}로, 가장 좋은 상수 답의 손실({chance:.4g})의 {level:.0%}입니다",
    ),
    # Remedies
    "remedy activation": (
        "replace {old} by {new}, with {init} initialisation",
        "{old}을(를) {new}(으)로 바꾸고 {init} 초기화",
    ),
    "remedy init": ("initialise the weights with {init}", "가중치를 {init}(으)로 초기화"),
    "remedy norm": ("add {kind} after each linear layer", "각 선형층 뒤에 {kind} 추가"),
    "remedy residual": (
        "add residual connections around layers that keep the shape",
        "모양을 유지하는 층에 잔차 연결 추가",
    ),
    "remedy clip": ("clip the gradient's norm at {value:g}", "기울기 노름을 {value:g}에서 클리핑"),
    "remedy warmup": ("warm the learning rate up over {steps} steps", "{steps}단계 동안 학습률 예열"),
    "remedy lr": (
        "set the learning rate to {lr:.3g} ({factor:g} × as large)",
        "학습률을 {lr:.3g}(으)로({factor:g}배)",
    ),
    "remedy inputs": ("standardise the inputs", "입력을 표준화"),
    "remedy drop": ("remove {kind} ({path})", "{kind} 제거({path})"),
    "remedy straight": (
        "let the gradient pass {how}{where} unchanged (straight-through)",
        "{how}{where}에서 기울기를 그대로 통과(straight-through)",
    ),
    "remedy guard": (
        "keep the argument of {how}{where} inside its domain",
        "{how}{where}의 인수를 정의역 안에 두기",
    ),
    "remedy clean": ("leave out the {count} samples that are not finite", "유한하지 않은 표본 {count}개 제외"),
    "with rate": ("{change}, with a learning rate of {lr:.3g}", "{change}, 학습률 {lr:.3g}"),
    "remedy loss": ("use {loss}", "{loss} 사용"),
    "remedy renorm": ("replace {old} by {new}", "{old}을(를) {new}(으)로 교체"),
    "remedy attach": ("keep the gradient: remove {how}{where}", "기울기 유지: {how}{where} 제거"),
    "remedy scores": (
        "divide the attention scores by √d = {root:.3g}",
        "어텐션 점수를 √d = {root:.3g}(으)로 나누기",
    ),
    "remedy bias": ("set the biases to zero", "편향을 0으로"),
    "remedy batch": ("use batches of {size} samples", "배치를 표본 {size}개로"),
    # Remedies that could not be tried
    "untried activation": (
        "another activation (no module of a kind that it would replace; a function called in forward is not swapped)",
        "다른 활성화(바꿀 종류의 모듈이 없습니다. forward에서 부르는 함수는 바꾸지 않습니다)",
    ),
    "untried init": (
        "another initialisation (no trainable weight with two axes or more)",
        "다른 초기화(축이 둘 이상인 학습 가능한 가중치가 없습니다)",
    ),
    "untried norm": (
        "a normalisation after each linear layer (no linear layer but the last one, or none with four outputs)",
        "각 선형층 뒤의 정규화(마지막 층 말고는 선형층이 없거나 출력이 넷 이상인 층이 없습니다)",
    ),
    "untried residual": (
        "residual connections (no Sequential with a linear layer of as many outputs as inputs before its activation)",
        "잔차 연결(입력과 출력의 수가 같은 선형층과 그 활성화가 이어진 Sequential이 없습니다)",
    ),
    "untried inputs": (
        "standardised inputs (the model takes several inputs, or none with a sample axis and features)",
        "표준화한 입력(입력이 여럿이거나, 표본 축과 특징 축이 있는 입력이 없습니다)",
    ),
    "not tried": ("not tried: {change}", "시도하지 않음: {change}"),
    # The reports
    "title": ("Gradient flow of {name}", "{name}의 기울기 흐름"),
    "sick": ("SICK", "이상"),
    "well": ("HEALTHY", "정상"),
    "loss": ("loss", "손실"),
    "accuracy": ("accuracy", "정확도"),
    "flow": ("flow", "흐름"),
    "layer": ("layer", "층"),
    "activation": ("activation", "활성화"),
    "mean": ("mean", "평균"),
    "spread": ("spread", "표준편차"),
    "flat": ("flat", "포화"),
    "dead": ("dead", "죽은 유닛"),
    "gradient": ("‖∂L/∂z‖", "‖∂L/∂z‖"),
    "ratio": ("ratio", "비율"),
    "slope": ("× slope", "× 활성화"),
    "weights": ("× weights", "× 가중치"),
    "singular": ("σ max/min", "특잇값 최대/최소"),
    "update": ("update/weight", "갱신/가중치"),
    "noise": ("noise", "잡음"),
    "rank": ("rank", "유효 계수"),
    "limit": ("limit {value:g}; source: {source}", "기준 {value:g}; 출처: {source}"),
    "tried": ("tried: {change}: {before} → {after}", "시도: {change}: {before} → {after}"),
    "helped": ("helped", "효과 있음"),
    "no help": ("did not help", "효과 없음"),
    "failed": ("did not run: {error}", "실행되지 않음: {error}"),
    "winner": ("The change that helped most:", "가장 효과가 큰 변경:"),
    "summary": (
        "loss {loss:.4g} (chance {chance:.4g}), {steps} steps later {final:.4g}; noise scale {noise:.3g}, batch "
        "{batch:.0f}",
        "손실 {loss:.4g}(무작위 {chance:.4g}), {steps}단계 뒤 {final:.4g}; 잡음 규모 {noise:.3g}, 배치 {batch:.0f}",
    ),
    "figure depth": ("Norm of ∂L/∂z across depth", "깊이에 따른 ∂L/∂z의 노름"),
    "figure time": ("Norm of ∂L/∂z over the training (log)", "학습에 따른 ∂L/∂z의 노름(로그)"),
    "figure values": ("Values of each layer", "층별 값의 분포"),
    "step": ("step", "단계"),
    "forward": ("forward", "순전파"),
    "backward": ("backward", "역전파"),
    "more": ("… {count} more", "… {count}개 더"),
}
LANGS = ("en", "ko")


def said(key: str, lang: str, values: Mapping[str, Any] | None = None) -> str:
    """Return a text in a language, with values in it."""
    text = TEXT[key][LANGS.index(lang)]
    values = dict(values or {})
    if "direction" in values:
        values["direction"] = said(values["direction"], lang)
    return text.format(**{k: _Unmeasured(lang) if x != x else x for k, x in values.items()})


class _Unmeasured:
    """What stands in a sentence for a figure that there is none of."""

    def __init__(self, lang: str) -> None:
        self.lang = lang

    def __format__(self, _: str) -> str:
        return "not measured" if self.lang == "en" else "측정 안 됨"


def check_lang(lang: str) -> str:
    """Return `lang`; a ValueError unless it is "en" or "ko"."""
    if lang not in LANGS:
        raise ValueError(f"lang: expected one of {', '.join(map(repr, LANGS))}, got {lang!r}")
    return lang
