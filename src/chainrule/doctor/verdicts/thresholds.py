"""What counts as sick: every threshold that a verdict depends on, with its source. All can be replaced."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Threshold:
    """A limit, what it limits, and its source or the reason for it."""

    value: float
    meaning: str
    source: str
    source_ko: str = ""
    """The source in Korean, if it has words of its own and not only a title and a place in it."""

    def in_korean(self) -> str:
        """Return the source with Korean words around the titles, which stay as they are.

        >>> Threshold(0.5, "", 'He et al., "Delving Deep into Rectifiers" (2015), section 2.2').in_korean()
        'He et al., "Delving Deep into Rectifiers" (2015), 2.2절'
        """
        found = self.source_ko or self.source
        for english, korean in _PLACES:
            found = re.sub(english, korean, found)
        return found


_GLOROT = 'Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010)'
_HE = 'He, Zhang, Ren & Sun, "Delving Deep into Rectifiers" (2015)'
_PASCANU = 'Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks" (2013)'
_LECUN = 'LeCun, Bottou, Orr & Müller, "Efficient BackProp" (1998)'
_CS231N = "Karpathy, CS231n course notes, Neural Networks Part 3: Learning and Evaluation, Ratio of weights:updates"
_DYING = 'Lu, Shin, Su & Karniadakis, "Dying ReLU and Initialization: Theory and Numerical Examples" (2019)'
_SHAZEER = 'Shazeer, Mirhoseini, Maziarz et al., "Outrageously Large Neural Networks" (2017)'
_DECAY = 'Krogh & Hertz, "A Simple Weight Decay Can Improve Generalization" (1991), equations 2 and 3'
_NOISE = 'McCandlish, Kaplan, Amodei et al., "An Empirical Model of Large-Batch Training" (2018), section 2.2'
_NORM = 'Ioffe & Szegedy, "Batch Normalization" (2015)'
_GUO = 'Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks" (2017), section 2: softmax and NLL'

_PLACES = (
    (r"equations (\d+) and (\d+)", r"식 \1, \2"),
    (r"equation (\d+)", r"식 \1"),
    (r"sections? (\d[\d.]*\d|\d)", r"\1절"),
    (r"(\d절) and (식)", r"\1, \2"),
    (r"algorithm (\d)", r"알고리즘 \1"),
    (r"footnote (\d)", r"각주 \1"),
    (r"course notes", "강의 노트"),
)
"""How a place in a source is named in Korean."""

DEFAULTS: Mapping[str, Threshold] = MappingProxyType(
    {
        "vanishing": Threshold(
            1e-3,
            "norm of ∂L/∂z in the layers near the input over that in the last layer",
            f"{_GLOROT}, section 4.2; {_PASCANU}, equation 5",
        ),
        "exploding": Threshold(
            1e3, "norm of ∂L/∂z in a layer over that in the last layer", f"{_PASCANU}, section 2.1 and equation 7"
        ),
        "activation growth": Threshold(
            1e3, "spread of the last hidden layer's values over the first's, or the inverse", f"{_HE}, section 2.2"
        ),
        "dead units": Threshold(
            0.4,
            "share of a layer's units that are zero for every sample of every batch",
            f"{_DYING}, section 3; Karpathy, CS231n course notes, Neural Networks Part 1: 'as much as 40%'",
        ),
        "starved branch": Threshold(
            1e-4,
            "norm of a parallel branch's gradient, such as an expert's, over the largest of its siblings'",
            f"{_SHAZEER}, section 4: the gate comes to favour the same few experts",
            f"{_SHAZEER}, section 4: 게이트가 몇몇 전문가만 고르게 된다",
        ),
        "saturated": Threshold(
            0.5, "share of values where the slope is under 5 % of its largest", f"{_GLOROT}, section 3"
        ),
        "score spread": Threshold(
            4.0,
            "standard deviation of attention scores; dividing by √d makes it 1",
            'Vaswani et al., "Attention Is All You Need" (2017), section 3.2.1, footnote 4',
        ),
        "gain": Threshold(
            3.0,
            "standard deviation of a layer's weights over what its activation asks for, or the inverse",
            f"{_HE}, equation 10; {_GLOROT}, equation 12",
        ),
        "symmetric": Threshold(
            1e-6,
            "relative difference between the units of a layer, in weights and gradient",
            f"{_LECUN}, section 4.6; Goodfellow, Bengio & Courville, Deep Learning (2016), section 8.4",
        ),
        "input size": Threshold(
            20.0, "root mean square of the inputs that are not zero, or its inverse", f"{_LECUN}, section 4.3"
        ),
        "input spread": Threshold(
            100.0, "largest standard deviation of a feature over the smallest", f"{_LECUN}, section 4.3"
        ),
        "input offset": Threshold(
            10.0, "median over features of |mean| over standard deviation", f"{_LECUN}, section 4.3"
        ),
        "update high": Threshold(0.1, "norm of a step over the norm of the weights it changes; 1e-3 is usual", _CS231N),
        "update low": Threshold(3e-5, "norm of a step over the norm of the weights it changes; 1e-3 is usual", _CS231N),
        "chance": Threshold(
            0.97,
            "loss over that of the best constant answer",
            "Karpathy, 'A Recipe for Training Neural Networks' (2019): "
            "'verify loss @ init', 'input-independent baseline'",
        ),
        "classes": Threshold(
            1.0,
            "different classes among the targets of all batches",
            "definition: what is always the same can be told without an input",
            "정의: 늘 같은 것은 입력 없이도 맞힐 수 있다",
        ),
        "target size": Threshold(
            20.0,
            "root mean square of the targets over that of the outputs before training, where the loss stays at chance",
            "Karpathy, 'A Recipe for Training Neural Networks' (2019): 'init well'",
        ),
        "dropout": Threshold(
            0.6,
            "share of values that dropout sets to 0, where the loss stays at chance",
            'Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout" (2014), section 7.3',
        ),
        "decay": Threshold(0.0, "weight decay of an optimiser with which the loss stays at chance", _DECAY),
        "noise": Threshold(10.0, "gradient noise scale tr(Σ)/|G|² over the batch size", _NOISE),
        "cut": Threshold(
            0.0,
            "norm of a parameter's gradient over all batches",
            "definition: what gets no gradient is not trained",
            "정의: 기울기를 받지 않으면 학습되지 않는다",
        ),
        "mixing": Threshold(
            0.01,
            "change of a sample's outputs over their spread, where the other samples of its batch are replaced",
            "Karpathy, 'A Recipe for Training Neural Networks' (2019): 'use backprop to chart dependencies'",
        ),
        "mismatch": Threshold(1e-3, "distance of the outputs from what the loss expects", _GUO),
        "right answers": Threshold(
            0.0,
            "loss of right answers minus that of wrong ones",
            "definition: a loss is smaller for better answers",
            "정의: 손실은 좋은 답일수록 작다",
        ),
        "values per channel": Threshold(1.0, "values that a moment is taken of", f"{_NORM}, algorithm 1"),
        "stored moments": Threshold(
            10.0,
            "root mean square of values that stored moments were to bring to 1, or its inverse",
            f"{_NORM}, algorithm 2",
        ),
        "not finite": Threshold(
            0.0,
            "NaN or infinite values",
            "IEEE 754-2019: what follows a NaN is a NaN",
            "IEEE 754-2019: NaN에서 나온 값은 NaN이다",
        ),
    }
)


def chosen(changes: Mapping[str, float] | None) -> dict[str, Threshold]:
    """Return the defaults with some values replaced; raises ValueError for an unknown name."""
    found = dict(DEFAULTS)
    for name, value in (changes or {}).items():
        if name not in found:
            raise ValueError(f"doctor: thresholds: got {name!r}, expected some of {', '.join(map(repr, found))}")
        found[name] = Threshold(float(value), found[name].meaning, "set by the caller", "호출한 쪽에서 정한 값")
    return found
