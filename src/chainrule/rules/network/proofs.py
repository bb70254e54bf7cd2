r"""The proofs of activation functions, losses and softmax, each from its definition."""

from chainrule.core.facts import proof
from chainrule.rules.elementary.proofs import CHAIN, DEFINITION, IN_Y, PRODUCT, QUOTIENT

BRANCHES = "Each side by itself; the brackets select it"

SIGMOID = proof(
    (DEFINITION, r"y = \frac{1}{1 + e^{-x}}"),
    (
        "The derivative of a reciprocal, and the chain rule",
        r"\frac{\partial y}{\partial x} = -\frac{-e^{-x}}{(1 + e^{-x})^2} = \frac{e^{-x}}{(1 + e^{-x})^2}",
    ),
    (
        "Split the fraction",
        r"\frac{\partial y}{\partial x} = \frac{1}{1 + e^{-x}} \cdot \frac{e^{-x}}{1 + e^{-x}}",
    ),
    ("The second factor is what the first leaves of 1", r"1 - y = \frac{e^{-x}}{1 + e^{-x}}"),
    (IN_Y, r"\frac{\partial y}{\partial x} = y (1 - y)"),
)
LOGSIGMOID = proof(
    (DEFINITION, r"y = -\log(1 + e^{-x})"),
    (CHAIN, r"\frac{\partial y}{\partial x} = -\frac{-e^{-x}}{1 + e^{-x}}"),
    ("Multiply both parts of the fraction by a power of e", r"\frac{\partial y}{\partial x} = \frac{1}{1 + e^x}"),
    ("This is a sigmoid", r"\frac{\partial y}{\partial x} = \sigma(-x)"),
)
SOFTPLUS = proof(
    (DEFINITION, r"y = \frac{\log(1 + e^{\beta x})}{\beta}"),
    (
        CHAIN,
        r"\frac{\partial y}{\partial x} = \frac{1}{\beta} \cdot \frac{\beta e^{\beta x}}{1 + e^{\beta x}}"
        r" = \frac{e^{\beta x}}{1 + e^{\beta x}}",
    ),
    (
        "Divide both parts of the fraction by the power of e",
        r"\frac{\partial y}{\partial x} = \frac{1}{1 + e^{-\beta x}}",
    ),
    ("This is a sigmoid", r"\frac{\partial y}{\partial x} = \sigma(\beta x)"),
)
SILU = proof(
    (DEFINITION, r"y = x\,\sigma(x)"),
    ("The derivative of the factor", r"s = \sigma(x)"),
    ("The sigmoid's derivative", r"\frac{\partial s}{\partial x} = s (1 - s)"),
    (PRODUCT, r"\frac{\partial y}{\partial x} = s + x\,s (1 - s)"),
    ("Substitute", r"\frac{\partial y}{\partial x} = \sigma(x) + x\,\sigma(x) (1 - \sigma(x))"),
)
MISH = proof(
    ("With a name for the inner function", r"s = \log(1 + e^x)"),
    (DEFINITION, r"y = x \tanh(s)"),
    ("The inner derivative is a sigmoid", r"\frac{\partial s}{\partial x} = \sigma(x)"),
    ("The derivative of the hyperbolic tangent", r"\frac{\partial y}{\partial s} = x (1 - \tanh(s)^2)"),
    (
        "The product rule and the chain rule",
        r"\frac{\partial y}{\partial x} = \tanh(s) + x (1 - \tanh(s)^2)\,\sigma(x)",
    ),
)
GELU = proof(
    ("Φ is the normal distribution function", r"p = \Phi(x)"),
    (DEFINITION, r"y = x p"),
    (
        "Its derivative is the normal density, by the fundamental theorem of calculus",
        r"\frac{\partial p}{\partial x} = \frac{1}{\sqrt{2 \pi}} \exp(-\frac{x^2}{2})",
    ),
    (PRODUCT, r"\frac{\partial y}{\partial x} = p + x \frac{1}{\sqrt{2 \pi}} \exp(-\frac{x^2}{2})"),
    ("Substitute", r"\frac{\partial y}{\partial x} = \Phi(x) + \frac{x}{\sqrt{2 \pi}} \exp(-\frac{x^2}{2})"),
)
GELU_SLOPE = proof(
    ("With a name for the density of the normal distribution", r"d = \frac{1}{\sqrt{2 \pi}} \exp(-\frac{x^2}{2})"),
    (DEFINITION, r"y = \Phi(x) + x d"),
    ("The chain rule", r"\frac{\partial d}{\partial x} = -x d"),
    ("The derivative of Φ is the density; the product rule", r"\frac{\partial y}{\partial x} = d + d - x^2 d"),
    ("Substitute", r"\frac{\partial y}{\partial x} = \frac{2 - x^2}{\sqrt{2 \pi}} \exp(-\frac{x^2}{2})"),
)
GELU_TANH = proof(
    ("With a name for the inner function", r"s = \sqrt{\frac{2}{\pi}} (x + 0.044715 x^3)"),
    (DEFINITION, r"y = \frac{x}{2} (1 + \tanh(s))"),
    (
        "The inner derivative",
        r"\frac{\partial s}{\partial x} = \sqrt{\frac{2}{\pi}} (1 + 3 \cdot 0.044715 x^2)",
    ),
    ("The derivative of the hyperbolic tangent", r"\frac{\partial y}{\partial s} = \frac{x}{2} (1 - \tanh(s)^2)"),
    (
        "The product rule and the chain rule",
        r"\frac{\partial y}{\partial x} = \frac{1 + \tanh(s)}{2}"
        r" + \frac{x}{2} (1 - \tanh(s)^2) \sqrt{\frac{2}{\pi}} (1 + 3 \cdot 0.044715 x^2)",
    ),
)
RELU = proof(
    ("Side by side", r"y = x [x > 0]"),
    (
        "Slope 1 on the right and 0 on the left; at the kink itself, that of the left",
        r"\frac{\partial y}{\partial x} = [x > 0]",
    ),
)
LEAKY_RELU = proof(
    ("Side by side", r"y = x [x > 0] + \mathrm{negative slope}\,x [x \le 0]"),
    (BRANCHES, r"\frac{\partial y}{\partial x} = [x > 0] + \mathrm{negative slope}\,[x \le 0]"),
)
PRELU = {
    "x": proof(
        ("Side by side", r"y = x [x > 0] + w x [x \le 0]"),
        (BRANCHES, r"\frac{\partial y}{\partial x} = [x > 0] + w [x \le 0]"),
    ),
    "w": proof(
        ("Side by side", r"y = x [x > 0] + w x [x \le 0]"),
        ("Only the left side depends on it", r"\frac{\partial y}{\partial w} = x [x \le 0] = \min(x, 0)"),
    ),
}
ELU = proof(
    ("Side by side", r"y = x [x > 0] + \alpha (e^x - 1) [x \le 0]"),
    (BRANCHES, r"\frac{\partial y}{\partial x} = [x > 0] + \alpha e^x [x \le 0]"),
    (
        "In the same form, but without overflow on the right",
        r"\frac{\partial y}{\partial x} = [x > 0] + \alpha e^{\min(x, 0)} [x \le 0]",
    ),
)
CELU = proof(
    ("Side by side", r"y = x [x > 0] + \alpha (e^{x / \alpha} - 1) [x \le 0]"),
    (BRANCHES, r"\frac{\partial y}{\partial x} = [x > 0] + \alpha \frac{1}{\alpha} e^{x / \alpha} [x \le 0]"),
    ("On the right it is a power of e with exponent 0", r"\frac{\partial y}{\partial x} = e^{\min(x, 0) / \alpha}"),
)
SELU = proof(
    ("Side by side", r"y = \lambda (x [x > 0] + \alpha (e^x - 1) [x \le 0])"),
    (BRANCHES, r"\frac{\partial y}{\partial x} = \lambda ([x > 0] + \alpha e^x [x \le 0])"),
    (
        "In the same form, but without overflow on the right",
        r"\frac{\partial y}{\partial x} = \lambda ([x > 0] + \alpha e^{\min(x, 0)} [x \le 0])",
    ),
)
SOFTSIGN = proof(
    (DEFINITION, r"y = \frac{x}{1 + |x|}"),
    (
        QUOTIENT,
        r"\frac{\partial y}{\partial x} = \frac{1 + |x| - x \operatorname{sign}(x)}{(1 + |x|)^2}",
    ),
    ("A number times its sign is its size", r"x \operatorname{sign}(x) = |x|"),
    ("Substitute", r"\frac{\partial y}{\partial x} = \frac{1}{(1 + |x|)^2}"),
)
TANHSHRINK = proof(
    (DEFINITION, r"y = x - \tanh(x)"),
    (
        "The derivative of the hyperbolic tangent",
        r"\frac{\partial y}{\partial x} = 1 - (1 - \tanh(x)^2) = \tanh(x)^2",
    ),
)
HARDTANH = proof(
    (
        "Side by side",
        r"y = \mathrm{min val}\,[x \le \mathrm{min val}] + x [\mathrm{min val} < x < \mathrm{max val}]"
        r" + \mathrm{max val}\,[x \ge \mathrm{max val}]",
    ),
    (BRANCHES, r"\frac{\partial y}{\partial x} = [\mathrm{min val} < x < \mathrm{max val}]"),
)
HARDSIGMOID = proof(
    ("Side by side", r"y = \frac{x + 3}{6} [-3 < x < 3] + [x \ge 3]"),
    (BRANCHES, r"\frac{\partial y}{\partial x} = \frac{1}{6} [-3 < x < 3]"),
)
HARDSWISH = proof(
    ("Side by side", r"y = \frac{x^2 + 3 x}{6} [-3 < x < 3] + x [x \ge 3]"),
    (
        BRANCHES,
        r"\frac{\partial y}{\partial x} = \left(\frac{x}{3} + \frac{1}{2}\right) [-3 < x < 3] + [x \ge 3]",
    ),
)
THRESHOLD = proof(
    ("Side by side", r"y = x [x > \mathrm{threshold}] + \mathrm{value}\,[x \le \mathrm{threshold}]"),
    (BRANCHES, r"\frac{\partial y}{\partial x} = [x > \mathrm{threshold}]"),
)
SHRINKING = proof((BRANCHES, r"\frac{\partial y}{\partial x} = [|x| > \lambda]"))
SOFTSHRINK = proof(("Side by side", r"y = (x - \lambda) [x > \lambda] + (x + \lambda) [x < -\lambda]")) + SHRINKING
HARDSHRINK = proof((DEFINITION, r"y = x [|x| > \lambda]")) + SHRINKING

BINARY_LOGITS = {
    "x": proof(
        ("The probability that the logit stands for", r"s = \sigma(x)"),
        (DEFINITION, r"y = -t \log(s) - (1 - t) \log(1 - s)"),
        ("The derivative by the probability", r"\frac{\partial y}{\partial s} = \frac{1 - t}{1 - s} - \frac{t}{s}"),
        ("The sigmoid's derivative", r"\frac{\partial s}{\partial x} = s (1 - s)"),
        (
            CHAIN,
            r"\frac{\partial y}{\partial x} = \left(\frac{1 - t}{1 - s} - \frac{t}{s}\right) s (1 - s)",
        ),
        ("The denominators cancel", r"\frac{\partial y}{\partial x} = (1 - t) s - t (1 - s)"),
        ("Collect", r"\frac{\partial y}{\partial x} = s - t"),
        ("Substitute", r"\frac{\partial y}{\partial x} = \sigma(x) - t"),
    ),
    "t": proof(
        ("The probability that the logit stands for", r"s = \sigma(x)"),
        (DEFINITION, r"y = -t \log(s) - (1 - t) \log(1 - s)"),
        ("It is linear in the target", r"\frac{\partial y}{\partial t} = \log(1 - s) - \log(s)"),
        ("The quotient of the two probabilities is a power of e", r"\frac{1 - s}{s} = e^{-x}"),
        ("Substitute", r"\frac{\partial y}{\partial t} = -x"),
    ),
}

NORMALISER = ("The normaliser of a row", r"S_i = \sum_k e^{x_{ik}}")
SHARE = ("Each input of the row is in one term", r"\frac{\partial S_i}{\partial x_{ik}} = e^{x_{ik}}")
SOFTMAX = proof(
    NORMALISER,
    (DEFINITION, r"y_{ij} = \frac{e^{x_{ij}}}{S_i}"),
    SHARE,
    (
        "The quotient rule; a bracket is 1 where it holds, else 0",
        r"\frac{\partial y_{ij}}{\partial x_{ik}} = \frac{[j = k] e^{x_{ij}} S_i - e^{x_{ij}} e^{x_{ik}}}{S_i^2}",
    ),
    (
        "Split the fraction, and write $y$ for the quotients",
        r"\frac{\partial y_{ij}}{\partial x_{ik}} = y_{ij} ([j = k] - y_{ik})",
    ),
    ("The chain rule over the row", r"\bar x_{ik} = \sum_j \bar y_{ij} y_{ij} ([j = k] - y_{ik})"),
    ("What the bracket leaves", r"\bar x_{ik} = \bar y_{ik} y_{ik} - y_{ik} \sum_j \bar y_{ij} y_{ij}"),
    ("Take out the common factor", r"\bar x_{ik} = y_{ik} (\bar y_{ik} - \sum_j \bar y_{ij} y_{ij})"),
)
LOG_SOFTMAX = proof(
    NORMALISER,
    (DEFINITION, r"y_{ij} = x_{ij} - \log(S_i)"),
    SHARE,
    (
        "The chain rule; a bracket is 1 where it holds, else 0",
        r"\frac{\partial y_{ij}}{\partial x_{ik}} = [j = k] - \frac{e^{x_{ik}}}{S_i}",
    ),
    ("The quotient is a probability", r"\frac{\partial y_{ij}}{\partial x_{ik}} = [j = k] - e^{y_{ik}}"),
    ("The chain rule over the row", r"\bar x_{ik} = \sum_j \bar y_{ij} ([j = k] - e^{y_{ik}})"),
    ("What the bracket leaves", r"\bar x_{ik} = \bar y_{ik} - e^{y_{ik}} \sum_j \bar y_{ij}"),
)
LOGSUMEXP = proof(
    NORMALISER,
    (DEFINITION, r"y_i = \log(S_i)"),
    SHARE,
    (CHAIN, r"\frac{\partial y_i}{\partial x_{ik}} = \frac{e^{x_{ik}}}{S_i}"),
    (
        "The logarithm of the normaliser is $y$: these are softmax's probabilities",
        r"\frac{\partial y_i}{\partial x_{ik}} = e^{x_{ik} - y_i}",
    ),
)
