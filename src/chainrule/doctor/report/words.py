"""The words of the reports, in English and Korean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chainrule.present.texts import Texts, Words

TEXT: Texts = {
    # Evidence, by the key of the verdict
    "healthy": {
        "en": "nothing passes its limit: gradients reach every layer (flow {flow:.2g}), the loss goes from {loss:.4g} "
        "to {final:.4g} in {steps} steps",
        "ko": "기준을 넘는 값이 없습니다: 기울기가 모든 층에 닿고(흐름 {flow:.2g}), 손실이 {steps}단계 동안 "
        "{loss:.4g}에서 {final:.4g}{으로} 변합니다",
    },
    "healthy zero": {
        "en": "nothing passes its limit: layer {head} starts at zero, so no gradient passes it in the first step; "
        "after {steps} steps gradients reach every layer (flow {flow:.2g}), and the loss went from {loss:.4g} to "
        "{final:.4g}",
        "ko": "기준을 넘는 값이 없습니다: {head} 층의 가중치가 0에서 시작해 첫 단계에는 기울기가 이 층을 지나지 "
        "못하지만, {steps}단계 뒤에는 모든 층에 닿고(흐름 {flow:.2g}) 손실이 {loss:.4g}에서 {final:.4g}{으로} "
        "변했습니다",
    },
    "healthy slow": {
        "en": "nothing passes its limit: gradients reach every layer (flow {flow:.2g}). The loss goes from {loss:.4g} "
        "to {final:.4g} in {steps} steps, which is no better than the best constant answer ({chance:.4g}); it "
        "needs more of them: after {longer} it is {later:.4g}",
        "ko": "기준을 넘는 값이 없습니다: 기울기가 모든 층에 닿습니다(흐름 {flow:.2g}). 손실이 {steps}단계 동안 "
        "{loss:.4g}에서 {final:.4g}{으로} 변해 아직 상수만 답할 때의 손실({chance:.4g})보다 낫지 않습니다. "
        "단계가 더 필요합니다: {longer}단계 뒤에는 {later:.4g}입니다",
    },
    "healthy still": {
        "en": "nothing passes its limit: gradients reach every layer (flow {flow:.2g}). But the loss hardly falls, "
        "from {loss:.4g} to {final:.4g} in {steps} steps, and what a constant answer would have could not be "
        "measured: it may be at its minimum, or it may not learn",
        "ko": "기준을 넘는 값이 없습니다: 기울기가 모든 층에 닿습니다(흐름 {flow:.2g}). 그러나 손실이 {steps}단계 동안 "
        "{loss:.4g}에서 {final:.4g}{으로} 거의 줄지 않았고, 상수만 답할 때의 손실을 잴 수 없었습니다: 이미 "
        "최솟값에 있을 수도, 학습하지 못하고 있을 수도 있습니다",
    },
    "healthy left out": {
        "en": "nothing passes its limit: gradients reach every layer (flow {flow:.2g}), the loss goes from {loss:.4g} "
        "to {final:.4g} in {steps} steps. The optimiser does not hold {names}: if that is not meant, pass it all "
        "parameters",
        "ko": "기준을 넘는 값이 없습니다: 기울기가 모든 층에 닿고(흐름 {flow:.2g}), 손실이 {steps}단계 동안 "
        "{loss:.4g}에서 {final:.4g}{으로} 변합니다. 최적화기에 {names}{이} 들어 있지 않습니다: 의도한 것이 "
        "아니면 모든 매개변수를 넘기세요",
    },
    "healthy untrained": {
        "en": "nothing passes its limit: gradients reach every layer (flow {flow:.2g}), the loss is {loss:.4g}",
        "ko": "기준을 넘는 값이 없습니다: 기울기가 모든 층에 닿고(흐름 {flow:.2g}), 손실은 {loss:.4g}입니다",
    },
    "not-finite": {
        "en": "the first value that is not finite is made by {operation}{where}, in the {direction} pass, from "
        "arguments of the shapes {shapes} that were finite",
        "ko": "유한하지 않은 첫 값은 {direction}의 {operation}{where}에서, 유한한 인수(모양 {shapes})로부터 생겼습니다",
    },
    "not-finite input": {
        "en": "the input itself holds NaN or infinite values (shapes {shapes})",
        "ko": "입력 자체에 NaN 또는 무한대가 있습니다(모양 {shapes})",
    },
    "not-finite later": {
        "en": "the loss is finite at first and no longer after {steps} steps",
        "ko": "손실이 처음에는 유한하지만 {steps}단계 뒤에는 유한하지 않습니다",
    },
    "gradient-cut": {
        "en": "no gradient reaches {names}: {how}{where} cuts the path to the loss",
        "ko": "{names}에 기울기가 닿지 않습니다: {how}{where}{이} 손실로 가는 경로를 끊습니다",
    },
    "gradient-cut unused": {
        "en": "no gradient reaches {names}: the forward pass does not use it, or nothing that the loss sees depends "
        "on it",
        "ko": "{names}에 기울기가 닿지 않습니다: 순전파에서 쓰이지 않거나, 손실이 쓰는 값 가운데 여기에 의존하는 것이 "
        "없습니다",
    },
    "gradient-cut optimizer": {
        "en": "the optimiser does not hold {names}: they get a gradient and never move (the loss goes from {loss:.4g} "
        "to {final:.4g} in {steps} steps). Was it made for another model, or before these layers were added?",
        "ko": "최적화기에 {names}{이} 들어 있지 않습니다: 기울기는 받지만 갱신되지 않습니다(손실이 {steps}단계 동안 "
        "{loss:.4g}에서 {final:.4g}{으로} 변합니다). 다른 모델로 만들었거나, 이 층을 더하기 전에 만든 최적화기일 "
        "수 있습니다",
    },
    "gradient-cut silent": {
        "en": "the gradient of {names} is 0 for every sample, at first and after {steps} steps: what they compute is "
        "multiplied by a 0 that training does not move, or goes through something flat",
        "ko": "{names}의 기울기가 처음에도 {steps}단계 뒤에도 모든 표본에서 0입니다: 그 결과에 학습으로 바뀌지 않는 "
        "0이 곱해지거나, 결과가 기울기 0인 구간을 지납니다",
    },
    "gradient-cut frozen": {
        "en": "{count} of {total} parameters are frozen (requires_grad is False), the first of them {names}, and what "
        "they compute does not tell the targets apart: the loss stays at {level:.0%} of chance after {steps} "
        "steps; trained too, it goes to {better:.4g}",
        "ko": "매개변수 {total}개 중 {count}개가 고정되어(requires_grad가 False) 있고, 그중 첫째는 {names}입니다. "
        "고정된 층이 계산한 값으로는 목표값을 구별할 수 없어 {steps}단계 뒤에도 손실이 무작위 수준의 {level:.0%}에 "
        "머뭅니다. 함께 학습하면 {better:.4g}{이} 됩니다",
    },
    "gradient-cut unregistered": {
        "en": "{names} are used but are no parameters of the model, as they stand in a plain list, tuple or dictionary "
        "({where}): no optimiser gets them from model.parameters(), and the loss stays at {level:.0%} of chance; "
        "nn.ModuleList or nn.ParameterList registers them",
        "ko": "{names}{은} 쓰이지만 일반 리스트·튜플·사전({where})에 들어 있어 모델의 매개변수가 아닙니다: "
        "model.parameters()로 만든 최적화기에 들어가지 않고, 손실이 무작위 수준의 {level:.0%}에 머뭅니다. "
        "nn.ModuleList나 nn.ParameterList에 넣으면 등록됩니다",
    },
    "normalisation-misplaced": {
        "en": "{type} takes its moments over {count} value(s): samples differ by {before:.2g} before it and by "
        "{after:.2g} after it, so what they had to say is gone",
        "ko": "{type}{이} 값 {count}개만으로 평균과 분산을 구합니다: 표본 간 차이가 {before:.2g}에서 "
        "{after:.2g}{으로} 줄어 정보가 사라집니다",
    },
    "normalisation-misplaced error": {
        "en": "{type} cannot run: {error}",
        "ko": "{type}{을} 실행할 수 없습니다: {error}",
    },
    "normalisation-misplaced stale": {
        "en": "{type} is in evaluation mode, and the moments that it stored are not those of the data: what it was to "
        "bring to a root mean square of 1 has one of {size:.3g}",
        "ko": "{type}{이} 평가 모드에 있는데 저장된 평균과 분산이 데이터와 맞지 않습니다: 제곱평균제곱근을 1로 "
        "맞추어야 할 값이 {size:.3g}입니다",
    },
    "normalisation-misplaced stale given": {
        "en": "the model was given in evaluation mode, where the moments that {type} stored are not those of the data: "
        "what it was to bring to a root mean square of 1 has one of {size:.3g}. In training mode the loss is "
        "{loss:.4g}: call train() before training, and train before evaluating",
        "ko": "모델이 평가 모드로 주어졌고, 이 모드에서 {type}{이} 쓰는 저장된 평균과 분산이 데이터와 맞지 않습니다: "
        "제곱평균제곱근을 1로 맞추어야 할 값이 {size:.3g}입니다. 학습 모드에서는 손실이 {loss:.4g}입니다. 학습하기 "
        "전에 train()을 부르고, 평가는 학습한 뒤에 하세요",
    },
    "normalisation-misplaced last": {
        "en": "{type} is the last operation before the loss: it fixes the outputs' size, which the loss needs free; "
        "the loss stays at {ratio:.0%} of chance",
        "ko": "{type}{이} 손실 바로 앞의 마지막 연산입니다: 손실을 줄이려면 자유로워야 할 출력의 크기를 고정하며, "
        "손실이 무작위 수준의 {ratio:.0%}에 머뭅니다",
    },
    "loss-mismatch twice": {
        "en": "the outputs are probabilities already (made by {operation}; rows sum to 1), and the loss applies {own} "
        "again",
        "ko": "출력이 이미 확률({operation}의 결과)인데 손실이 {own}{을} 다시 적용합니다",
    },
    "loss-mismatch probabilities": {
        "en": "the loss takes log-probabilities and gets probabilities: it is {loss:.3g}, and no log-likelihood is "
        "negative",
        "ko": "손실은 로그 확률을 받아야 하는데 확률을 받습니다: 값이 {loss:.3g}(음수)입니다",
    },
    "loss-mismatch sum": {
        "en": "the loss is a sum over the batch, so a step grows with the batch size (batches of {sizes} samples); "
        "the optimiser's steps follow the gradient's size",
        "ko": "손실이 배치에 대한 합이어서 한 단계의 이동량이 배치 크기(표본 {sizes}개)에 비례해 커집니다. 이 "
        "최적화기의 이동량은 기울기의 크기를 따릅니다",
    },
    "loss-mismatch range": {
        "en": "{share:.0%} of the targets lie outside what {operation} can give ({low:g} to {high:g}): they run from "
        "{least:.3g} to {most:.3g}",
        "ko": "목표값의 {share:.0%}{이} {operation}{이} 낼 수 있는 범위({low:g}–{high:g}) 밖에 있습니다: "
        "{least:.3g}–{most:.3g}",
    },
    "loss-mismatch axis": {
        "en": "{operation} normalises over the samples of a batch (axis 0) and not over the classes: each column of "
        "the outputs sums to 1, so what a sample gets depends on the other samples",
        "ko": "{operation}{이} 클래스 축이 아니라 배치의 표본 축(축 0)으로 정규화합니다: 출력의 각 열의 합이 1이어서 "
        "한 표본의 답이 다른 표본에 따라 달라집니다",
    },
    "loss-mismatch inner axis": {
        "en": "{operation} normalises over axis {axis} of the outputs and not over the classes: what one place gets "
        "depends on the others, and the values of its classes do not sum to 1",
        "ko": "{operation}{이} 클래스 축이 아니라 출력의 축 {axis}{으로} 정규화합니다: 한 위치의 답이 다른 위치에 따라 "
        "달라지고, 클래스 값의 합이 1이 아닙니다",
    },
    "loss-mismatch no shares": {
        "en": "the loss takes its targets for probabilities, from 0 to 1, and they run from {least:.3g} to "
        "{most:.3g}: it falls without end as the outputs grow",
        "ko": "손실은 목표값을 0에서 1까지의 확률로 보는데, 목표값은 {least:.3g}–{most:.3g}입니다: 출력이 커질수록 "
        "손실이 끝없이 줄어듭니다",
    },
    "loss-mismatch one class": {
        "en": "all {count} targets are class {label} of {classes}: there is nothing to tell apart, and the loss falls "
        "whatever the inputs are; were the labels lost, or are the samples sorted and not shuffled?",
        "ko": "목표값 {count}개가 모두 클래스 {classes}개 중 {label}번입니다: 구별할 것이 없어 입력과 상관없이 손실이 "
        "줄어듭니다. 레이블이 지워졌거나, 표본이 정렬된 채 섞이지 않았는지 확인하세요",
    },
    "loss-mismatch scale": {
        "en": "the targets (mean {mean:.3g}, standard deviation {spread:.3g}) are {size:.3g} times as large as the "
        "outputs before training, and the loss stays at chance; standardised, (y - mean)/std, it goes to "
        "{better:.0%} of chance in {steps} steps",
        "ko": "목표값(평균 {mean:.3g}, 표준편차 {spread:.3g})이 학습 전 출력의 {size:.3g}배 크기이고 손실이 무작위 "
        "수준에 머뭅니다. (y - 평균)/표준편차로 표준화하면 {steps}단계 뒤에 무작위 수준의 {better:.0%}가 됩니다",
    },
    "loss-mismatch broadcast": {
        "en": "outputs of shape {outputs} and targets of shape {targets} are broadcast to {table}: each output is "
        "compared with every target, and the loss is {given:.4g}; with equal shapes it is {meant:.4g}",
        "ko": "모양이 {outputs}인 출력과 {targets}인 목표값이 {table}{으로} 브로드캐스팅됩니다: 출력 하나가 모든 "
        "목표값과 비교되어 손실이 {given:.4g}입니다. 모양을 맞추면 {meant:.4g}입니다",
    },
    "loss-mismatch reversed": {
        "en": "the loss is larger for right answers ({right:.4g}) than for wrong ones ({wrong:.4g}): minimising it "
        "teaches the wrong ones; its sign is reversed",
        "ko": "맞는 답의 손실({right:.4g})이 틀린 답의 손실({wrong:.4g})보다 큽니다: 부호가 뒤집혀, 손실을 줄이면 틀린 "
        "답을 배웁니다",
    },
    "loss-mismatch clipped": {
        "en": "the outputs end with {operation}, which cuts off every logit below 0, and the loss is a cross-entropy",
        "ko": "출력이 {operation}{으로} 끝나 0보다 작은 로짓이 모두 잘리는데, 손실은 교차 엔트로피입니다",
    },
    "bad-input-scale size": {
        "en": "the inputs' root mean square (zeros apart) is {size:.3g}; about 1 is expected",
        "ko": "입력의 제곱평균제곱근(0 제외)이 {size:.3g}입니다. 1 정도여야 합니다",
    },
    "bad-input-scale spread": {
        "en": "the largest feature is {spread:.3g} times the smallest (features {large} and {small})",
        "ko": "가장 큰 특성이 가장 작은 특성의 {spread:.3g}배입니다(특성 {large}, {small})",
    },
    "bad-input-scale offset": {
        "en": "the typical feature lies {offset:.3g} of its standard deviations from zero",
        "ko": "특성이 보통 0에서 표준편차의 {offset:.3g}배 떨어져 있습니다",
    },
    "bad-initialisation symmetric": {
        "en": "all {units} units of the layer are equal, in weights and gradient (difference {symmetric:.1e}): they "
        "stay copies of each other",
        "ko": "층의 유닛 {units}개가 가중치도 기울기도 모두 같습니다(차이 {symmetric:.1e}): 학습해도 서로의 "
        "복사본으로 남습니다",
    },
    "bad-initialisation large": {
        "en": "the weights are {gain:.3g} times as large as {function} asks for (largest singular value "
        "{largest:.3g}); what follows: {effect}",
        "ko": "가중치가 {function}에 알맞은 크기의 {gain:.3g}배입니다(최대 특잇값 {largest:.3g}). 그 결과: {effect}",
    },
    "bad-initialisation small": {
        "en": "the weights are {gain:.3g} times as large as {function} asks for (largest singular value "
        "{largest:.3g}); what follows: {effect}",
        "ko": "가중치가 {function}에 알맞은 크기의 {gain:.3g}배밖에 되지 않습니다(최대 특잇값 {largest:.3g}). 그 "
        "결과: {effect}",
    },
    "bad-initialisation embedding": {
        "en": "the embedding's values have a root mean square of {size:.3g}, where about 1 is usual; what follows: "
        "{effect}",
        "ko": "임베딩 값의 제곱평균제곱근이 {size:.3g}입니다. 보통은 1 정도입니다. 그 결과: {effect}",
    },
    "bad-initialisation sure": {
        "en": "the outputs are up to {most:.3g} large, so that softmax gives nearly all to one class, whichever is "
        "right: the loss begins at {loss:.4g}, chance is {chance:.4g}, and after {steps} steps it is {final:.4g}; make "
        "the last layer's weights or the factor before the loss smaller",
        "ko": "출력이 최대 {most:.3g}까지 커서 소프트맥스가 정답과 상관없이 한 클래스에 거의 모든 확률을 줍니다: "
        "손실이 {loss:.4g}에서 시작하고(무작위 {chance:.4g}) {steps}단계 뒤에도 {final:.4g}입니다. 마지막 층의 "
        "가중치나 손실 앞의 배율을 줄이십시오",
    },
    "exploding": {
        "en": "‖∂L/∂z‖ is {ratio:.2g} times that of the last layer {last}; a step multiplies it by {step:.3g} "
        "(activation {activation:.3g}, weights {weight:.3g}; largest singular value {largest:.3g})",
        "ko": "‖∂L/∂z‖가 마지막 층 {last}의 {ratio:.2g}배입니다. 한 층마다 {step:.3g}배(활성화 {activation:.3g}, "
        "가중치 {weight:.3g}, 최대 특잇값 {largest:.3g})가 됩니다",
    },
    "exploding forward": {
        "en": "the values grow {ratio:.2g}-fold from the first layer to {last}, {step:.3g}-fold in each (largest "
        "singular value {largest:.3g})",
        "ko": "값이 첫 층에서 {last}까지 {ratio:.2g}배, 층마다 {step:.3g}배로 커집니다(최대 특잇값 {largest:.3g})",
    },
    "vanishing": {
        "en": "‖∂L/∂z‖ is {ratio:.2g} times that of the last layer {last}; a step multiplies it by {step:.3g} "
        "(activation {activation:.3g}, weights {weight:.3g}; largest singular value {largest:.3g})",
        "ko": "‖∂L/∂z‖가 마지막 층 {last}의 {ratio:.2g}배입니다. 한 층마다 {step:.3g}배(활성화 {activation:.3g}, "
        "가중치 {weight:.3g}, 최대 특잇값 {largest:.3g})가 됩니다",
    },
    "vanishing in time": {
        "en": "through time: ‖∂L/∂z‖ at the first of {uses} steps is {ratio:.2g} times that at the last, {step:.3g} "
        "for each step (largest singular value {largest:.3g}), and the loss stays at {level:.0%} of chance: what "
        "the first steps say cannot be learned",
        "ko": "시간 방향: {uses}단계 중 첫 단계의 ‖∂L/∂z‖가 마지막 단계의 {ratio:.2g}배, 단계마다 {step:.3g}배(최대 "
        "특잇값 {largest:.3g})이고 손실이 무작위 수준의 {level:.0%}에 머뭅니다: 앞 단계의 정보를 학습할 수 "
        "없습니다",
    },
    "left out": {
        "en": "left out ({count}), as the budget of {budget:.3g} s had no time for more remedies: {names}",
        "ko": "{budget:.3g}초의 예산(budget)이 모자라 시도하지 못한 처방 {count}개: {names}",
    },
    "fewer batches": {
        "en": "{batches} batches were examined in place of {wanted}: the budget of {budget:.3g} s had no time for more",
        "ko": "{budget:.3g}초의 예산(budget)이 모자라 배치 {wanted}개 대신 {batches}개만 살폈습니다",
    },
    "fewer steps": {
        "en": "{steps} steps were taken in place of {wanted}: the budget of {budget:.3g} s had no time for more",
        "ko": "{budget:.3g}초의 예산(budget)이 모자라 {wanted}단계 대신 {steps}단계만 학습했습니다",
    },
    "dead-units": {
        "en": "{dead:.0%} of the layer's {units} units are flat ({function} gives slope 0) for every sample of "
        "{batches} batches: they get no gradient",
        "ko": "층의 유닛 {units}개 중 {dead:.0%}{이} {batches}개 배치의 모든 표본에서 죽어 있습니다({function}의 "
        "기울기 0)",
    },
    "dead-units branch": {
        "en": "{count} of {total} branches that work side by side ({names}) get at most {ratio:.1g} times the gradient "
        "of the others, before the training and after {steps} steps: what mixes the branches gives them no weight",
        "ko": "나란히 계산하는 갈래 {total}개 중 {count}개({names})의 기울기가 다른 갈래의 {ratio:.1g}배 이하이며, "
        "{steps}단계를 학습한 뒤에도 그렇습니다: 갈래를 섞는 값이 이 갈래에 가중치를 주지 않습니다",
    },
    "dead-units branch later": {
        "en": "after {steps} steps {count} of {total} branches that work side by side ({names}) get at most "
        "{ratio:.1g} times the gradient of the others, though not before: what mixes the branches has come to "
        "give them no weight",
        "ko": "{steps}단계 뒤에 나란히 계산하는 갈래 {total}개 중 {count}개({names})의 기울기가 다른 갈래의 "
        "{ratio:.1g}배 이하가 되었습니다: 학습하면서 갈래를 섞는 값이 이 갈래에 가중치를 주지 않게 되었습니다",
    },
    "saturated": {
        "en": "{saturated:.0%} of the values lie where {function} is flat (slope under 5 % of its largest); the "
        "activation alone multiplies the gradient by {factor:.2g}",
        "ko": "값의 {saturated:.0%}{이} {function}의 평평한 부분에 있습니다(기울기가 최대의 5 % 미만). 활성화만으로 "
        "기울기가 {factor:.2g}배가 됩니다",
    },
    "saturated attention": {
        "en": "the attention scores have a standard deviation of {spread:.3g}{scale}: on average a row gives "
        "{peaked:.0%} of its weight to one place, where softmax is flat",
        "ko": "어텐션 점수의 표준편차가 {spread:.3g}{scale}입니다: 한 행이 평균 가중치의 {peaked:.0%}{을} 한 곳에 "
        "주며, 거기서 소프트맥스는 평평합니다",
    },
    "learning-rate-too-high": {
        "en": "a step moves the weights by {update:.2g} of their size, and the loss goes from {loss:.4g} to "
        "{final:.4g}; with a rate of {lr:.2g} it goes to {better:.4g}",
        "ko": "한 단계마다 가중치가 그 크기의 {update:.2g}배만큼 움직이고, 손실이 {loss:.4g}에서 {final:.4g}{으로} "
        "변합니다. 학습률이 {lr:.2g}일 때는 {better:.4g}{으로} 변합니다",
    },
    "learning-rate-too-low": {
        "en": "a step moves the weights by {update:.2g} of their size, and the loss goes from {loss:.4g} to "
        "{final:.4g} only; with a rate of {lr:.2g} it goes to {better:.4g}",
        "ko": "한 단계마다 가중치가 그 크기의 {update:.2g}배만큼만 움직이고, 손실이 {loss:.4g}에서 {final:.4g}{으로} "
        "변할 뿐입니다. 학습률이 {lr:.2g}일 때는 {better:.4g}{으로} 변합니다",
    },
    "noise-dominates unclear": {
        "en": "the gradients of {batches} batches of {batch:.0f} have no direction in common, so their noise scale is "
        "too large to be measured, and the loss stays at {level:.0%} of chance: is there anything in the inputs "
        "that tells the targets?",
        "ko": "표본 {batch:.0f}개짜리 배치 {batches}개의 기울기에 공통된 방향이 없어 잡음 규모가 잴 수 없을 만큼 크고, "
        "손실이 무작위 수준의 {level:.0%}에 머뭅니다. 입력에 목표값을 알려 주는 정보가 있는지 확인하세요",
    },
    "noise-dominates": {
        "en": "the gradient noise scale is {scale:.3g} samples, {ratio:.3g} times the batch of {batch:.0f}: batches "
        "disagree about the direction, and the loss stays at {level:.0%} of chance",
        "ko": "기울기 잡음 규모가 표본 {scale:.3g}개로 배치 {batch:.0f}의 {ratio:.3g}배입니다: 배치마다 방향이 "
        "다르고, 손실이 무작위 수준의 {level:.0%}에 머뭅니다",
    },
    "noise-dominates dropout": {
        "en": "dropout sets {share:.0%} of the values to 0: the loss is {final:.4g} after {steps} steps, no better "
        "than that of the best constant answer ({chance:.4g}); without dropout it is {better:.4g}",
        "ko": "드롭아웃이 값의 {share:.0%}를 0으로 만듭니다: {steps}단계 뒤의 손실이 {final:.4g}{으로}, 상수만 답할 "
        "때의 손실({chance:.4g})보다 낫지 않습니다. 드롭아웃이 없으면 {better:.4g}입니다",
    },
    "noise-dominates sorted": {
        "en": "all samples of a batch have the same class, and the classes of the {batches} batches differ: each step "
        "teaches one class and unlearns the others, and the loss stays at {level:.0%} of chance; shuffle the samples "
        "before they are batched",
        "ko": "한 배치의 표본은 모두 같은 클래스이고, 배치 {batches}개의 클래스는 서로 다릅니다: 단계마다 한 클래스를 "
        "배우고 나머지를 잊어, 손실이 무작위 수준의 {level:.0%}에 머뭅니다. 배치로 나누기 전에 표본을 섞으세요",
    },
    "loss-at-chance mixed": {
        "en": "the answers for some samples change by {change:.0%} of the outputs' spread where only the other samples "
        "of their batch are replaced, in evaluation mode, and the loss stays at {level:.0%} of chance: something "
        "mixes the samples, such as a reshape or a batch_first that takes the batch's axis for another, or a softmax "
        "over axis 0",
        "ko": "평가 모드에서 같은 배치의 다른 표본만 바꾸어도 어떤 표본의 답이 출력 퍼짐의 {change:.0%}만큼 변하고, "
        "손실은 무작위 수준의 {level:.0%}에 머뭅니다: 배치 축을 다른 축으로 다루는 reshape나 batch_first, 축 0에 대한 "
        "softmax처럼 표본을 뒤섞는 것이 있습니다",
    },
    "loss-at-chance decay": {
        "en": "with a weight decay of {decay:.3g} the loss is {final:.4g} after {steps} steps, {level:.0%} of chance; "
        "without it {better:.4g}: the weights are pulled to zero faster than they learn",
        "ko": "가중치 감쇠(weight decay)가 {decay:.3g}일 때 {steps}단계 뒤의 손실이 {final:.4g}{으로} 무작위 수준의 "
        "{level:.0%}입니다. 감쇠가 없으면 {better:.4g}입니다: 가중치가 학습되는 것보다 빨리 0으로 끌려갑니다",
    },
    "loss-at-chance": {
        "en": "after {steps} steps the loss is {final:.4g}, {level:.0%} of what the best constant answer has "
        "({chance:.4g})",
        "ko": "{steps}단계 뒤의 손실이 {final:.4g}{으로}, 상수만 답할 때 가능한 가장 작은 손실({chance:.4g})의 "
        "{level:.0%}입니다",
    },
    # Remedies
    "remedy activation": {
        "en": "replace {old} by {new}, with {init} initialisation",
        "ko": "{old}{을} {new}{으로} 바꾸고 {init} 초기화",
    },
    "remedy table": {
        "en": "divide the embedding {layer} by {size:.3g}",
        "ko": "임베딩 {layer}{을} {size:.3g}{으로} 나누기",
    },
    "remedy init": {"en": "initialise the weights with {init}", "ko": "가중치를 {init}{으로} 초기화"},
    "remedy norm": {"en": "add {kind} after each linear layer", "ko": "각 선형층 뒤에 {kind} 추가"},
    "remedy residual": {
        "en": "add residual connections around layers that keep the shape",
        "ko": "모양을 유지하는 층에 잔차 연결 추가",
    },
    "remedy clip": {"en": "clip the gradient's norm at {value:g}", "ko": "기울기 노름을 {value:g}에서 클리핑"},
    "remedy warmup": {"en": "warm the learning rate up over {steps} steps", "ko": "{steps}단계 동안 학습률 예열"},
    "remedy lr": {
        "en": "set the learning rate to {lr:.3g} ({factor:g} × as large)",
        "ko": "학습률을 {lr:.3g}{으로}({factor:g}배)",
    },
    "remedy inputs": {"en": "standardise the inputs", "ko": "입력을 표준화"},
    "remedy drop": {"en": "remove {kind} ({path})", "ko": "{kind} 제거({path})"},
    "remedy straight": {
        "en": "let the gradient pass {how}{where} unchanged (straight-through)",
        "ko": "{how}{where}에서 기울기를 그대로 통과(straight-through)",
    },
    "remedy guard": {
        "en": "keep the argument of {how}{where} inside its domain",
        "ko": "{how}{where}의 인수를 정의역 안에 두기",
    },
    "remedy clean": {
        "en": "leave out the {count} samples that are not finite",
        "ko": "유한하지 않은 표본 {count}개 제외",
    },
    "with rate": {"en": "{change}, with a learning rate of {lr:.3g}", "ko": "{change}, 학습률 {lr:.3g}"},
    "remedy loss": {"en": "use {loss}", "ko": "{loss} 사용"},
    "remedy renorm": {"en": "replace {old} by {new}", "ko": "{old}{을} {new}{으로} 교체"},
    "remedy attach": {"en": "keep the gradient: remove {how}{where}", "ko": "기울기 유지: {how}{where} 제거"},
    "remedy scores": {
        "en": "divide the attention scores by √d = {root:.3g}",
        "ko": "어텐션 점수를 √d = {root:.3g}{으로} 나누기",
    },
    "remedy dropout": {"en": "use a dropout of {share:g}", "ko": "드롭아웃을 {share:g}{으로}"},
    "remedy decay": {"en": "set weight_decay to 0", "ko": "weight_decay를 0으로"},
    "remedy moments": {
        "en": "let {kind} take the moments of the batch, with train()",
        "ko": "train()으로 {kind}{이} 배치의 평균과 분산을 쓰게 하기",
    },
    "remedy thaw": {"en": "train the frozen parameters too", "ko": "고정한 매개변수도 학습"},
    "remedy hold": {"en": "give the optimiser all parameters", "ko": "최적화기에 모든 매개변수 넘기기"},
    "remedy axis": {"en": "normalise {path} over axis {axis}", "ko": "{path}{을} 축 {axis}{으로} 정규화"},
    "remedy shapes": {"en": "give outputs and targets one shape", "ko": "출력과 목표값의 모양 맞추기"},
    "remedy sign": {"en": "change the sign of the loss", "ko": "손실의 부호 바꾸기"},
    "remedy bias": {"en": "set the biases to zero", "ko": "편향을 0으로"},
    "remedy batch": {"en": "use batches of {size} samples", "ko": "배치를 표본 {size}개로"},
    # Remedies that could not be tried
    "untried activation": {
        "en": "another activation (no module of a kind that it would replace; a function called in forward is not "
        "swapped)",
        "ko": "다른 활성화(바꿀 종류의 모듈이 없습니다. forward에서 부르는 함수는 바꾸지 않습니다)",
    },
    "untried init": {
        "en": "another initialisation (no trainable weight with two axes or more)",
        "ko": "다른 초기화(축이 둘 이상인 학습 가능한 가중치가 없습니다)",
    },
    "untried norm": {
        "en": "a normalisation after each linear layer (no linear layer but the last one, or none with four outputs)",
        "ko": "각 선형층 뒤의 정규화(마지막 층 말고는 선형층이 없거나 출력이 넷 이상인 층이 없습니다)",
    },
    "untried residual": {
        "en": "residual connections (no Sequential with a linear layer of as many outputs as inputs before its "
        "activation)",
        "ko": "잔차 연결(입력과 출력의 수가 같은 선형층과 그 활성화가 이어진 Sequential이 없습니다)",
    },
    "untried inputs": {
        "en": "standardised inputs (the model takes several inputs, or none with a sample axis and features)",
        "ko": "표준화한 입력(입력이 여럿이거나, 표본 축과 특성 축이 있는 입력이 없습니다)",
    },
    "not tried": {"en": "not tried: {change}", "ko": "시도하지 않음: {change}"},
    "after": {"en": " (after {source})", "ko": "({source} 다음)"},
    # What a layer's wrong size does
    "effect saturated": {"en": "{share:.0%} of {layer} saturated", "ko": "{layer}의 값 {share:.0%}{이} 포화"},
    "effect flow": {
        "en": "gradients from {smallest:.1e} to {largest:.1e} times the last layer's",
        "ko": "기울기가 마지막 층의 {smallest:.1e}배에서 {largest:.1e}배 사이",
    },
    "effect growth": {"en": "values {growth:.1e} times as large at the end", "ko": "끝에서 값의 크기가 {growth:.1e}배"},
    "effect loss": {
        "en": "a loss of {loss:.3g} at the start, where a constant answer has {chance:.3g}",
        "ko": "처음 손실이 {loss:.3g}(상수만 답하면 {chance:.3g})",
    },
    "linear": {"en": "a linear layer", "ko": "선형층"},
    # The verdicts' codes
    "code not-finite": {"en": "not-finite", "ko": "유한하지 않은 값"},
    "code gradient-cut": {"en": "gradient-cut", "ko": "기울기 끊김"},
    "code normalisation-misplaced": {"en": "normalisation-misplaced", "ko": "맞지 않는 정규화"},
    "code loss-mismatch": {"en": "loss-mismatch", "ko": "손실과 맞지 않는 출력"},
    "code bad-input-scale": {"en": "bad-input-scale", "ko": "입력의 크기"},
    "code bad-initialisation": {"en": "bad-initialisation", "ko": "잘못된 초기화"},
    "code exploding": {"en": "exploding", "ko": "기울기 폭발"},
    "code dead-units": {"en": "dead-units", "ko": "죽은 유닛"},
    "code saturated": {"en": "saturated", "ko": "포화"},
    "code vanishing": {"en": "vanishing", "ko": "기울기 소실"},
    "code learning-rate-too-high": {"en": "learning-rate-too-high", "ko": "너무 큰 학습률"},
    "code learning-rate-too-low": {"en": "learning-rate-too-low", "ko": "너무 작은 학습률"},
    "code noise-dominates": {"en": "noise-dominates", "ko": "기울기보다 큰 잡음"},
    "code loss-at-chance": {"en": "loss-at-chance", "ko": "무작위 수준의 손실"},
    "code healthy": {"en": "healthy", "ko": "정상"},
    # The reports
    "name": {"en": "{model} ({n:,} parameters)", "ko": "{model}(매개변수 {n:,}개)"},
    "title": {"en": "Gradient flow of {name}", "ko": "{name}의 기울기 흐름"},
    "sick": {"en": "SICK", "ko": "이상"},
    "well": {"en": "HEALTHY", "ko": "정상"},
    "loss": {"en": "loss", "ko": "손실"},
    "accuracy": {"en": "accuracy", "ko": "정확도"},
    "flow": {"en": "flow", "ko": "흐름"},
    "layer": {"en": "layer", "ko": "층"},
    "activation": {"en": "activation", "ko": "활성화"},
    "mean": {"en": "mean", "ko": "평균"},
    "spread": {"en": "spread", "ko": "표준편차"},
    "flat": {"en": "flat", "ko": "포화"},
    "dead": {"en": "dead", "ko": "죽은 유닛"},
    "gradient": {"en": "‖∂L/∂z‖", "ko": "‖∂L/∂z‖"},
    "ratio": {"en": "ratio", "ko": "비율"},
    "slope": {"en": "× slope", "ko": "× 활성화 기울기"},
    "weights": {"en": "× weights", "ko": "× 가중치"},
    "singular": {"en": "σ max/min", "ko": "특잇값 최대/최소"},
    "update": {"en": "update/weight", "ko": "갱신/가중치"},
    "noise": {"en": "noise", "ko": "잡음"},
    "rank": {"en": "rank", "ko": "유효 랭크"},
    "limit": {"en": "limit {value:g}; source: {source}", "ko": "기준 {value:g}; 출처: {source}"},
    "tried": {"en": "tried: {change}: {before} → {after}", "ko": "시도: {change}: {before} → {after}"},
    "helped": {"en": "helped", "ko": "효과 있음"},
    "no help": {"en": "did not help", "ko": "효과 없음"},
    "failed": {"en": "did not run: {error}", "ko": "실행되지 않음: {error}"},
    "winner": {"en": "The change that helped most:", "ko": "가장 효과가 큰 변경:"},
    "summary": {
        "en": "loss {loss:.4g} (chance {chance:.4g}), {steps} steps later {final:.4g}; noise scale {noise:.3g}, batch "
        "{batch:.0f}",
        "ko": "손실 {loss:.4g}(무작위 {chance:.4g}), {steps}단계 뒤 {final:.4g}; 잡음 규모 {noise:.3g}, 배치 "
        "{batch:.0f}",
    },
    "figure depth": {"en": "Norm of ∂L/∂z across depth", "ko": "깊이에 따른 ∂L/∂z의 노름"},
    "figure time": {"en": "Norm of ∂L/∂z over the training", "ko": "학습에 따른 ∂L/∂z의 노름"},
    "figure values": {"en": "Values of each layer", "ko": "층별 값의 분포"},
    "step": {"en": "step", "ko": "단계"},
    "forward": {"en": "forward", "ko": "순전파"},
    "backward": {"en": "backward", "ko": "역전파"},
    "more": {"en": "… {count} more", "ko": "… {count}개 더"},
    # What a column of the table of layers says, and the pictures
    "activation text": {"en": "the function that follows the layer", "ko": "층 다음에 오는 함수"},
    "mean text": {"en": "mean of the layer's outputs", "ko": "층 출력의 평균"},
    "spread text": {"en": "standard deviation of the layer's outputs", "ko": "층 출력의 표준편차"},
    "flat text": {
        "en": "share of the values at which the activation is flat",
        "ko": "활성화 함수가 평평한 곳에 있는 값의 비율",
    },
    "dead text": {"en": "share of the units that are flat for every sample", "ko": "모든 표본에서 평평한 유닛의 비율"},
    "gradient text": {"en": "norm of the gradient before the activation", "ko": "활성화 앞에서 잰 기울기의 노름"},
    "ratio text": {"en": "that norm relative to the next layer's", "ko": "다음 층의 노름에 대한 비율"},
    "slope text": {
        "en": "factor by which the activation's slope changes the norm on the way back",
        "ko": "역전파에서 활성화 함수의 기울기가 노름에 곱하는 배율",
    },
    "weights text": {
        "en": "factor by which the weights change it on the way back",
        "ko": "역전파에서 가중치가 노름에 곱하는 배율",
    },
    "singular text": {
        "en": "largest and smallest singular value of the weights",
        "ko": "가중치의 최대 특잇값과 최소 특잇값",
    },
    "update text": {"en": "size of one step relative to the weights", "ko": "가중치 크기에 대한 한 단계의 이동량"},
    "noise text": {
        "en": "gradient noise scale, in samples: a batch of this size is as much signal as noise",
        "ko": "기울기 잡음 규모(표본 수): 배치가 이 크기일 때 신호와 잡음이 비슷합니다",
    },
    "rank text": {
        "en": "effective rank of the outputs: how many directions they use",
        "ko": "출력의 유효 랭크: 출력이 실제로 쓰는 방향의 수",
    },
    "layers": {"en": "The layers", "ko": "층"},
    "from": {"en": "from", "ko": "최솟값"},
    "to": {"en": "to", "ko": "최댓값"},
    "counts": {"en": "number of values in each bin", "ko": "구간별 값의 개수"},
}


@dataclass(frozen=True)
class Phrase:
    """A text of its own, by its key, among the values of another."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)


def said(key: str, lang: str, values: Mapping[str, Any] | None = None) -> str:
    """Return a text in a language, with values in it; phrases among them are said in that language."""
    own = {k: said(v.key, lang, v.values) if isinstance(v, Phrase) else v for k, v in (values or {}).items()}
    return Words(TEXT, lang)(key, **own)


def called(code: str, lang: str, shown: str = "") -> str:
    """Return a verdict's code as it is shown; in Korean after what it means.

    >>> called("vanishing", "en"), called("vanishing", "ko")
    ('vanishing', '기울기 소실(vanishing)')
    """
    meaning, shown = said(f"code {code}", lang), shown or code
    return shown if meaning == code else f"{meaning}({shown})"
