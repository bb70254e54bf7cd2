r"""The proof of attention's adjoints: two matrix products with a softmax between them, written with indices.

The mask M is added to the scores, so its gradient is theirs.
"""

from chainrule.core.facts import proof

_FORWARD = proof(
    ("The scores", r"S_{ij} = \text{scale} \sum_d Q_{id} K_{jd} + M_{ij}"),
    ("The weights: softmax by rows", r"P_{ij} = \frac{e^{S_{ij}}}{\sum_l e^{S_{il}}}"),
    ("Their mean of the values", r"Y_{ie} = \sum_j P_{ij} V_{je}"),
)
_SCORES = proof(
    (
        "The gradient at the weights: each multiplies one row of $V$",
        r"\frac{\partial Y_{ie}}{\partial P_{ij}} = V_{je}",
    ),
    ("The chain rule over that row", r"\bar P_{ij} = \sum_e \bar Y_{ie} V_{je}"),
    (
        "The Jacobian of softmax; a bracket is 1 where it holds, else 0",
        r"\frac{\partial P_{ij}}{\partial S_{il}} = P_{ij} ([j = l] - P_{il})",
    ),
    ("The gradient at the weights, named", r"g_{ij} = \sum_e \bar Y_{ie} V_{je}"),
    ("The gradient at the scores", r"\bar S_{il} = \sum_j g_{ij} P_{ij} ([j = l] - P_{il})"),
    ("What the bracket leaves", r"\bar S_{il} = P_{il} (g_{il} - \sum_j g_{ij} P_{ij})"),
    ("The gradient at the scores, named", r"h_{ij} = P_{ij} (g_{ij} - \sum_l g_{il} P_{il})"),
)
ATTENTION = {
    "v": _FORWARD
    + proof(
        (
            "The derivative of one output with respect to one value; a bracket is 1 where it holds, else 0",
            r"\frac{\partial Y_{ie}}{\partial V_{jf}} = P_{ij}\,[e = f]",
        ),
        ("The chain rule over all outputs", r"\bar V_{jf} = \sum_{i, e} \bar Y_{ie} P_{ij}\,[e = f]"),
        ("What the bracket leaves", r"\bar V_{jf} = \sum_i P_{ij} \bar Y_{if}"),
    ),
    "q": _FORWARD
    + _SCORES
    + proof(
        (
            "A row of $Q$ is in the scores of its own row only",
            r"\frac{\partial S_{ij}}{\partial Q_{id}} = \text{scale}\,K_{jd}",
        ),
        ("The chain rule over that row", r"\bar Q_{id} = \text{scale} \sum_j h_{ij} K_{jd}"),
    ),
    "k": _FORWARD
    + _SCORES
    + proof(
        (
            "A row of $K$ is in the scores of its own column only",
            r"\frac{\partial S_{ij}}{\partial K_{jd}} = \text{scale}\,Q_{id}",
        ),
        ("The chain rule over that column", r"\bar K_{jd} = \text{scale} \sum_i h_{ij} Q_{id}"),
    ),
}
