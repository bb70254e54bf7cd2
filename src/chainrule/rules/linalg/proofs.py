r"""The proofs of matrix rules: products by indices, the others by differentials.

M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008).
"""

from chainrule.core.facts import proof

ELEMENT = "Element by element"
BRACKET = "The derivative of one element with respect to another; a bracket is 1 where it holds, else 0"
ALL = "The chain rule over all elements"
LEFT = "What the bracket leaves"

MATMUL = {
    "a": proof(
        (ELEMENT, r"Y_{ij} = \sum_k A_{ik} B_{kj}"),
        (BRACKET, r"\frac{\partial Y_{ij}}{\partial A_{mn}} = [i = m]\,B_{nj}"),
        (ALL, r"\bar A_{mn} = \sum_{i, j} \bar Y_{ij}\,[i = m]\,B_{nj}"),
        (LEFT, r"\bar A_{mn} = \sum_j \bar Y_{mj}\,B_{nj}"),
    ),
    "b": proof(
        (ELEMENT, r"Y_{ij} = \sum_k A_{ik} B_{kj}"),
        (BRACKET, r"\frac{\partial Y_{ij}}{\partial B_{mn}} = A_{im}\,[j = n]"),
        (ALL, r"\bar B_{mn} = \sum_{i, j} \bar Y_{ij}\,A_{im}\,[j = n]"),
        (LEFT, r"\bar B_{mn} = \sum_i A_{im}\,\bar Y_{in}"),
    ),
}
TRANSPOSED = {
    "a": proof(
        (ELEMENT, r"Y_{ij} = \sum_k A_{ik} B_{jk}"),
        (BRACKET, r"\frac{\partial Y_{ij}}{\partial A_{mn}} = [i = m]\,B_{jn}"),
        (ALL, r"\bar A_{mn} = \sum_{i, j} \bar Y_{ij}\,[i = m]\,B_{jn}"),
        (LEFT, r"\bar A_{mn} = \sum_j \bar Y_{mj}\,B_{jn}"),
    ),
    "b": proof(
        (ELEMENT, r"Y_{ij} = \sum_k A_{ik} B_{jk}"),
        (BRACKET, r"\frac{\partial Y_{ij}}{\partial B_{mn}} = A_{in}\,[j = m]"),
        (ALL, r"\bar B_{mn} = \sum_{i, j} \bar Y_{ij}\,A_{in}\,[j = m]"),
        (LEFT, r"\bar B_{mn} = \sum_i \bar Y_{im}\,A_{in}"),
    ),
}
VECTOR_MATRIX = {
    "a": proof(
        (ELEMENT, r"y_j = \sum_k a_k B_{kj}"),
        ("The derivative of one element with respect to another", r"\frac{\partial y_j}{\partial a_k} = B_{kj}"),
        (ALL, r"\bar a_k = \sum_j \bar y_j\,B_{kj}"),
    ),
    "b": proof(
        (ELEMENT, r"y_j = \sum_k a_k B_{kj}"),
        (BRACKET, r"\frac{\partial y_j}{\partial B_{mn}} = a_m\,[j = n]"),
        (LEFT, r"\bar B_{mn} = a_m\,\bar y_n"),
    ),
}
MATRIX_VECTOR = {
    "a": proof(
        (ELEMENT, r"y_i = \sum_k A_{ik} b_k"),
        (BRACKET, r"\frac{\partial y_i}{\partial A_{mn}} = [i = m]\,b_n"),
        (LEFT, r"\bar A_{mn} = \bar y_m\,b_n"),
    ),
    "b": proof(
        (ELEMENT, r"y_i = \sum_k A_{ik} b_k"),
        ("The derivative of one element with respect to another", r"\frac{\partial y_i}{\partial b_k} = A_{ik}"),
        (ALL, r"\bar b_k = \sum_i \bar y_i\,A_{ik}"),
    ),
}
INNER_PRODUCT = {
    "a": proof(
        ("The definition", r"y = \sum_k a_k b_k"),
        ("Each element multiplies one of the other vector", r"\frac{\partial y}{\partial a_k} = b_k"),
    ),
    "b": proof(
        ("The definition", r"y = \sum_k a_k b_k"),
        ("Each element multiplies one of the other vector", r"\frac{\partial y}{\partial b_k} = a_k"),
    ),
}
VECTOR_MAP = {
    "x": proof(
        (ELEMENT, r"y_j = \sum_k x_k W_{kj} + b_j"),
        ("The derivative of one element with respect to another", r"\frac{\partial y_j}{\partial x_k} = W_{kj}"),
        (ALL, r"\bar x_k = \sum_j \bar y_j\,W_{kj}"),
    ),
    "w": proof(
        (ELEMENT, r"y_j = \sum_k x_k W_{kj} + b_j"),
        (BRACKET, r"\frac{\partial y_j}{\partial W_{mn}} = x_m\,[j = n]"),
        (LEFT, r"\bar W_{mn} = x_m\,\bar y_n"),
    ),
    "b": proof(
        (ELEMENT, r"y_j = \sum_k x_k W_{kj} + b_j"),
        (BRACKET, r"\frac{\partial y_j}{\partial b_n} = [j = n]"),
        (LEFT, r"\bar b_n = \bar y_n"),
    ),
}
_TRANSPOSED_MAP = (ELEMENT, r"y_{ij} = \sum_k x_{ik} W_{jk} + b_j")
LINEAR_TRANSPOSED = {
    "x": proof(
        _TRANSPOSED_MAP,
        (BRACKET, r"\frac{\partial y_{ij}}{\partial x_{mn}} = [i = m]\,W_{jn}"),
        (ALL, r"\bar x_{mn} = \sum_{i, j} \bar y_{ij}\,[i = m]\,W_{jn}"),
        (LEFT, r"\bar x_{mn} = \sum_j \bar y_{mj}\,W_{jn}"),
    ),
    "w": proof(
        _TRANSPOSED_MAP,
        (BRACKET, r"\frac{\partial y_{ij}}{\partial W_{mn}} = x_{in}\,[j = m]"),
        (ALL, r"\bar W_{mn} = \sum_{i, j} \bar y_{ij}\,x_{in}\,[j = m]"),
        (LEFT, r"\bar W_{mn} = \sum_i \bar y_{im}\,x_{in}"),
    ),
    "b": proof(
        _TRANSPOSED_MAP,
        (BRACKET, r"\frac{\partial y_{ij}}{\partial b_n} = [j = n]"),
        (ALL, r"\bar b_n = \sum_{i, j} \bar y_{ij}\,[j = n]"),
        (LEFT, r"\bar b_n = \sum_i \bar y_{in}"),
    ),
}
INVERSE = proof(
    ("The definition", r"Y = A^{-1}"),
    ("That is", r"A Y = A A^{-1}"),
    (
        "Differentiate both sides of $A Y = I$: the change of $Y$ follows from that of $A$",
        r"\frac{\partial Y_{ij}}{\partial A_{mn}} = -Y_{im} Y_{nj}",
    ),
    ("The chain rule over all elements", r"\bar A_{mn} = -\sum_{i, j} \bar Y_{ij} Y_{im} Y_{nj}"),
    ("As a product of matrices", r"\bar A = -Y^\top \bar Y Y^\top"),
)
SOLVE = {
    "b": proof(
        ("With a name for the inverse", r"C = A^{-1}"),
        ("The definition", r"Y_{ij} = \sum_k C_{ik} B_{kj}"),
        (BRACKET, r"\frac{\partial Y_{ij}}{\partial B_{mn}} = C_{im}\,[j = n]"),
        ("The chain rule; what the bracket leaves", r"\bar B_{mn} = \sum_i C_{im} \bar Y_{in}"),
        ("As a product of matrices", r"\bar B = (A^\top)^{-1} \bar Y"),
    ),
    "a": proof(
        ("With a name for the inverse", r"C = A^{-1}"),
        ("The definition", r"Y_{ij} = \sum_k C_{ik} B_{kj}"),
        (
            "Differentiate both sides of $A Y = B$: the change of $Y$ follows from that of $A$",
            r"\frac{\partial Y_{ij}}{\partial A_{mn}} = -C_{im} Y_{nj}",
        ),
        ("The chain rule over all elements", r"\bar A_{mn} = -\sum_{i, j} \bar Y_{ij} C_{im} Y_{nj}"),
        ("As a product of matrices", r"\bar A = -(A^\top)^{-1} \bar Y Y^\top"),
    ),
}
