r"""The proofs of the linear map, of normalisation and of convolution, written with indices.

i counts rows; a bracket is 1 where it holds, else 0.
"""

from chainrule.core.facts import proof
from chainrule.rules.elementary.proofs import DEFINITION

ELEMENT = "Element by element"
BRACKET = "The derivative of one element with respect to another; a bracket is 1 where it holds, else 0"
ALL = "The chain rule over all elements"
LEFT = "What the bracket leaves"

LINEAR = {
    "x": proof(
        (ELEMENT, r"y_{ij} = \sum_k x_{ik} W_{kj} + b_j"),
        (BRACKET, r"\frac{\partial y_{ij}}{\partial x_{mn}} = [i = m]\,W_{nj}"),
        (ALL, r"\bar x_{mn} = \sum_{i, j} \bar y_{ij}\,[i = m]\,W_{nj}"),
        (LEFT, r"\bar x_{mn} = \sum_j \bar y_{mj}\,W_{nj}"),
    ),
    "w": proof(
        (ELEMENT, r"y_{ij} = \sum_k x_{ik} W_{kj} + b_j"),
        (BRACKET, r"\frac{\partial y_{ij}}{\partial W_{mn}} = x_{im}\,[j = n]"),
        (ALL, r"\bar W_{mn} = \sum_{i, j} \bar y_{ij}\,x_{im}\,[j = n]"),
        (LEFT, r"\bar W_{mn} = \sum_i x_{im}\,\bar y_{in}"),
    ),
    "b": proof(
        (ELEMENT, r"y_{ij} = \sum_k x_{ik} W_{kj} + b_j"),
        (BRACKET, r"\frac{\partial y_{ij}}{\partial b_n} = [j = n]"),
        (ALL, r"\bar b_n = \sum_{i, j} \bar y_{ij}\,[j = n]"),
        (LEFT, r"\bar b_n = \sum_i \bar y_{in}"),
    ),
}

_LAYER_NORM = proof(
    ("The mean of a row", r"\mu_i = \frac{1}{n} \sum_k x_{ik}"),
    ("Its deviation", r"\sigma_i = \sqrt{\frac{1}{n} \sum_k (x_{ik} - \mu_i)^2 + \text{eps}}"),
    ("The normalised values", r"\hat x_{ij} = \frac{x_{ij} - \mu_i}{\sigma_i}"),
    (DEFINITION, r"y_{ij} = \gamma_j \hat x_{ij} + \beta_j"),
)
_RMS_NORM = proof(
    ("The root of the mean square of a row", r"\sigma_i = \sqrt{\frac{1}{n} \sum_k x_{ik}^2 + \text{eps}}"),
    ("The normalised values", r"\hat x_{ij} = \frac{x_{ij}}{\sigma_i}"),
    (DEFINITION, r"y_{ij} = \gamma_j \hat x_{ij}"),
)
_SCALE = proof(
    ("Each output contains one of them", r"\frac{\partial y_{ij}}{\partial \gamma_k} = [j = k]\,\hat x_{ij}"),
    ("The chain rule, over all rows", r"\bar\gamma_j = \sum_i \bar y_{ij} \hat x_{ij}"),
)
_SHIFT = proof(
    ("Each output contains one of them", r"\frac{\partial y_{ij}}{\partial \beta_k} = [j = k]"),
    ("The chain rule, over all rows", r"\bar\beta_j = \sum_i \bar y_{ij}"),
)
LAYER_NORM = {
    "x": _LAYER_NORM
    + proof(
        ("Every value has the same share in the mean", r"\frac{\partial \mu_i}{\partial x_{ik}} = \frac{1}{n}"),
        (
            "In the deviation the mean's own share cancels, as the differences from it sum to zero",
            r"\frac{\partial \sigma_i}{\partial x_{ik}} = \frac{1}{2 \sigma_i} \frac{2}{n} (x_{ik} - \mu_i)"
            r" = \frac{\hat x_{ik}}{n}",
        ),
        (
            "The quotient rule; a bracket is 1 where it holds, else 0",
            r"\frac{\partial \hat x_{ij}}{\partial x_{ik}} = \frac{[j = k] - \frac{1}{n}}{\sigma_i}"
            r" - \frac{x_{ij} - \mu_i}{\sigma_i^2} \frac{\hat x_{ik}}{n}",
        ),
        (
            "Take out the common denominator",
            r"\frac{\partial \hat x_{ij}}{\partial x_{ik}}"
            r" = \frac{1}{\sigma_i} \left([j = k] - \frac{1}{n} - \frac{1}{n} \hat x_{ij} \hat x_{ik}\right)",
        ),
        ("The gradient at the normalised values", r"g_{ij} = \gamma_j \bar y_{ij}"),
        (
            "The chain rule over the row",
            r"\bar x_{ik} = \sum_j g_{ij} \frac{1}{\sigma_i}"
            r" \left([j = k] - \frac{1}{n} - \frac{1}{n} \hat x_{ij} \hat x_{ik}\right)",
        ),
        (
            "What the bracket leaves: the gradient without its mean and without its part along the normalised row",
            r"\bar x_{ik} = \frac{g_{ik} - \frac{1}{n} \sum_j g_{ij}"
            r" - \hat x_{ik} \frac{1}{n} \sum_j g_{ij} \hat x_{ij}}{\sigma_i}",
        ),
    ),
    "gamma": _LAYER_NORM + _SCALE,
    "beta": _LAYER_NORM + _SHIFT,
}
RMS_NORM = {
    "x": _RMS_NORM
    + proof(
        (
            "The derivative of the root",
            r"\frac{\partial \sigma_i}{\partial x_{ik}} = \frac{1}{2 \sigma_i} \frac{2}{n} x_{ik}"
            r" = \frac{\hat x_{ik}}{n}",
        ),
        (
            "The quotient rule; a bracket is 1 where it holds, else 0",
            r"\frac{\partial \hat x_{ij}}{\partial x_{ik}} = \frac{[j = k]}{\sigma_i}"
            r" - \frac{x_{ij}}{\sigma_i^2} \frac{\hat x_{ik}}{n}",
        ),
        (
            "Take out the common denominator",
            r"\frac{\partial \hat x_{ij}}{\partial x_{ik}}"
            r" = \frac{1}{\sigma_i} \left([j = k] - \frac{1}{n} \hat x_{ij} \hat x_{ik}\right)",
        ),
        ("The gradient at the normalised values", r"g_{ij} = \gamma_j \bar y_{ij}"),
        (
            "The chain rule over the row",
            r"\bar x_{ik} = \sum_j g_{ij} \frac{1}{\sigma_i}"
            r" \left([j = k] - \frac{1}{n} \hat x_{ij} \hat x_{ik}\right)",
        ),
        (
            "What the bracket leaves: the gradient without its part along the normalised row",
            r"\bar x_{ik} = \frac{g_{ik} - \hat x_{ik} \frac{1}{n} \sum_j g_{ij} \hat x_{ij}}{\sigma_i}",
        ),
    ),
    "gamma": _RMS_NORM + _SCALE,
}
PLAIN_LAYER_NORM = (
    _LAYER_NORM[:2]
    + proof((DEFINITION, r"y_{ij} = \frac{x_{ij} - \mu_i}{\sigma_i}"))
    + LAYER_NORM["x"][4:5]
    + proof(
        (
            LAYER_NORM["x"][5].title,
            r"\frac{\partial \sigma_i}{\partial x_{ik}} = \frac{1}{2 \sigma_i} \frac{2}{n} (x_{ik} - \mu_i)"
            r" = \frac{y_{ik}}{n}",
        ),
        (
            LAYER_NORM["x"][6].title,
            r"\frac{\partial y_{ij}}{\partial x_{ik}} = \frac{[j = k] - \frac{1}{n}}{\sigma_i}"
            r" - \frac{x_{ij} - \mu_i}{\sigma_i^2} \frac{y_{ik}}{n}",
        ),
        (
            LAYER_NORM["x"][9].title,
            r"\bar x_{ik} = \sum_j \bar y_{ij} \frac{1}{\sigma_i}"
            r" \left([j = k] - \frac{1}{n} - \frac{1}{n} y_{ij} y_{ik}\right)",
        ),
        (
            LAYER_NORM["x"][10].title,
            r"\bar x_{ik} = \frac{\bar y_{ik} - \frac{1}{n} \sum_j \bar y_{ij}"
            r" - y_{ik} \frac{1}{n} \sum_j \bar y_{ij} y_{ij}}{\sigma_i}",
        ),
    )
)
PLAIN_RMS_NORM = _RMS_NORM[:1] + proof(
    (DEFINITION, r"y_{ij} = \frac{x_{ij}}{\sigma_i}"),
    (
        RMS_NORM["x"][3].title,
        r"\frac{\partial \sigma_i}{\partial x_{ik}} = \frac{1}{2 \sigma_i} \frac{2}{n} x_{ik}"
        r" = \frac{y_{ik}}{n}",
    ),
    (
        RMS_NORM["x"][4].title,
        r"\frac{\partial y_{ij}}{\partial x_{ik}} = \frac{[j = k]}{\sigma_i}"
        r" - \frac{x_{ij}}{\sigma_i^2} \frac{y_{ik}}{n}",
    ),
    (
        RMS_NORM["x"][7].title,
        r"\bar x_{ik} = \sum_j \bar y_{ij} \frac{1}{\sigma_i} \left([j = k] - \frac{1}{n} y_{ij} y_{ik}\right)",
    ),
    (
        RMS_NORM["x"][8].title,
        r"\bar x_{ik} = \frac{\bar y_{ik} - y_{ik} \frac{1}{n} \sum_j \bar y_{ij} y_{ij}}{\sigma_i}",
    ),
)

_SPREAD = (
    ("The mean of a channel", r"\mu_m = \frac{1}{N} \sum_{b, i} x_{b m i}"),
    ("Its deviation", r"\sigma_m = \sqrt{\frac{1}{N} \sum_{b, i} (x_{b m i} - \mu_m)^2 + \text{eps}}"),
    (DEFINITION, r"y_{b m i} = \gamma_m \frac{x_{b m i} - \mu_m}{\sigma_m} + \beta_m"),
)
_PLACES = "The chain rule, over all samples and places"
BATCH_NORM = {
    "x": proof(
        *_SPREAD,
        (
            "Every value has the same share in the mean",
            r"\frac{\partial \mu_m}{\partial x_{l m k}} = \frac{1}{N}",
        ),
        (
            "In the deviation the mean's own share cancels, as the differences from it sum to zero",
            r"\frac{\partial \sigma_m}{\partial x_{l m k}} = \frac{1}{2 \sigma_m} \frac{2}{N} (x_{l m k} - \mu_m)",
        ),
        (
            "The quotient rule; a bracket is 1 where it holds, else 0",
            r"\frac{\partial y_{b m i}}{\partial x_{l m k}} = \gamma_m \left("
            r"\frac{[b = l]\,[i = k] - \frac{1}{N}}{\sigma_m}"
            r" - \frac{x_{b m i} - \mu_m}{\sigma_m^2} \frac{x_{l m k} - \mu_m}{N \sigma_m}\right)",
        ),
        (
            "The chain rule over the channel",
            r"\bar x_{l m k} = \sum_{b, i} \bar y_{b m i} \frac{\gamma_m}{\sigma_m}"
            r" \left([b = l]\,[i = k] - \frac{1}{N}"
            r" - \frac{x_{b m i} - \mu_m}{\sigma_m^2} \frac{x_{l m k} - \mu_m}{N}\right)",
        ),
        (
            "What the bracket leaves",
            r"\bar x_{b m i} = \frac{\gamma_m}{\sigma_m} \left(\bar y_{b m i} - \frac{1}{N} \sum_{l, k} \bar y_{l m k}"
            r" - \frac{x_{b m i} - \mu_m}{\sigma_m^2} \frac{1}{N} \sum_{l, k} \bar y_{l m k}"
            r" (x_{l m k} - \mu_m)\right)",
        ),
    ),
    "gamma": proof(
        *_SPREAD,
        (
            "Each output contains one of them",
            r"\frac{\partial y_{b m i}}{\partial \gamma_o} = [m = o]\,\frac{x_{b m i} - \mu_m}{\sigma_m}",
        ),
        (_PLACES, r"\bar \gamma_m = \sum_{b, i} \bar y_{b m i} \frac{x_{b m i} - \mu_m}{\sigma_m}"),
    ),
    "beta": proof(
        *_SPREAD,
        ("Each output contains one of them", r"\frac{\partial y_{b m i}}{\partial \beta_o} = [m = o]"),
        (_PLACES, r"\bar \beta_m = \sum_{b, i} \bar y_{b m i}"),
    ),
}
