r"""The proofs of elementary derivatives, from those of sums, products, quotients, $e^x$, sine and cosine."""

from chainrule.core.facts import proof

DEFINITION = "The definition"
QUOTIENT = "The quotient rule"
PRODUCT = "The product rule"
CHAIN = "The chain rule"
RECIPROCAL_RULE = "The derivative of a reciprocal, and the chain rule"
INVERSE = "The inverse function: differentiate both sides, and solve for the derivative"
INTEGRAND = "An integral changes with its upper bound as the integrand there, by the fundamental theorem of calculus"
IN_Y = "In terms of $y$, which the forward pass has already computed"

TANH = proof(
    (DEFINITION, r"y = \frac{e^x - e^{-x}}{e^x + e^{-x}}"),
    (
        QUOTIENT,
        r"\frac{\partial y}{\partial x} = \frac{(e^x + e^{-x}) (e^x + e^{-x}) - (e^x - e^{-x}) (e^x - e^{-x})}"
        r"{(e^x + e^{-x})^2}",
    ),
    (
        "Split the fraction",
        r"\frac{\partial y}{\partial x} = 1 - \left(\frac{e^x - e^{-x}}{e^x + e^{-x}}\right)^2",
    ),
    (IN_Y, r"\frac{\partial y}{\partial x} = 1 - y^2"),
)
SINH = proof(
    (DEFINITION, r"y = \frac{e^x - e^{-x}}{2}"),
    (CHAIN, r"\frac{\partial y}{\partial x} = \frac{e^x + e^{-x}}{2} = \cosh(x)"),
)
COSH = proof(
    (DEFINITION, r"y = \frac{e^x + e^{-x}}{2}"),
    (CHAIN, r"\frac{\partial y}{\partial x} = \frac{e^x - e^{-x}}{2} = \sinh(x)"),
)
TAN = proof(
    (DEFINITION, r"y = \frac{\sin(x)}{\cos(x)}"),
    (
        QUOTIENT,
        r"\frac{\partial y}{\partial x} = \frac{\cos(x) \cos(x) + \sin(x) \sin(x)}{\cos(x)^2}",
    ),
    ("Split the fraction", r"\frac{\partial y}{\partial x} = 1 + \left(\frac{\sin(x)}{\cos(x)}\right)^2"),
    (IN_Y, r"\frac{\partial y}{\partial x} = 1 + y^2"),
)
ARCSIN = proof(
    (DEFINITION, r"y = \arcsin(x)"),
    ("That is", r"\sin(y) = x"),
    (INVERSE, r"\frac{\partial y}{\partial x} = \frac{1}{\cos(y)}"),
    ("The cosine is positive for this $y$", r"\cos(y) = \sqrt{1 - \sin(y)^2} = \sqrt{1 - x^2}"),
    ("Substitute", r"\frac{\partial y}{\partial x} = \frac{1}{\sqrt{1 - x^2}}"),
)
ARCCOS = proof(
    (DEFINITION, r"y = \arccos(x)"),
    ("That is", r"\cos(y) = x"),
    (INVERSE, r"\frac{\partial y}{\partial x} = -\frac{1}{\sin(y)}"),
    ("The sine is positive for this $y$", r"\sin(y) = \sqrt{1 - \cos(y)^2} = \sqrt{1 - x^2}"),
    ("Substitute", r"\frac{\partial y}{\partial x} = -\frac{1}{\sqrt{1 - x^2}}"),
)
ARCTAN = proof(
    (DEFINITION, r"y = \arctan(x)"),
    ("That is", r"\tan(y) = x"),
    (INVERSE, r"\frac{\partial y}{\partial x} = \frac{1}{1 + \tan(y)^2}"),
    ("Substitute", r"\frac{\partial y}{\partial x} = \frac{1}{1 + x^2}"),
)
ARCSINH = proof(
    (DEFINITION, r"y = \operatorname{arcsinh}(x)"),
    ("That is", r"\sinh(y) = x"),
    (INVERSE, r"\frac{\partial y}{\partial x} = \frac{1}{\cosh(y)}"),
    ("The hyperbolic cosine in terms of the sine", r"\cosh(y) = \sqrt{1 + \sinh(y)^2} = \sqrt{1 + x^2}"),
    ("Substitute", r"\frac{\partial y}{\partial x} = \frac{1}{\sqrt{1 + x^2}}"),
)
ARCCOSH = proof(
    (DEFINITION, r"y = \operatorname{arccosh}(x)"),
    ("That is", r"\cosh(y) = x"),
    (INVERSE, r"\frac{\partial y}{\partial x} = \frac{1}{\sinh(y)}"),
    ("The hyperbolic sine is positive for this $y$", r"\sinh(y) = \sqrt{\cosh(y)^2 - 1} = \sqrt{x^2 - 1}"),
    ("Substitute", r"\frac{\partial y}{\partial x} = \frac{1}{\sqrt{x^2 - 1}}"),
)
ARCTANH = proof(
    (DEFINITION, r"y = \operatorname{arctanh}(x)"),
    ("That is", r"\tanh(y) = x"),
    (INVERSE, r"\frac{\partial y}{\partial x} = \frac{1}{1 - \tanh(y)^2}"),
    ("Substitute", r"\frac{\partial y}{\partial x} = \frac{1}{1 - x^2}"),
)
SINC = proof(
    (DEFINITION, r"y = \frac{\sin(\pi x)}{\pi x}"),
    (
        QUOTIENT,
        r"\frac{\partial y}{\partial x} = \frac{\pi \cos(\pi x) \pi x - \sin(\pi x) \pi}{(\pi x)^2}",
    ),
    ("Cancel a factor", r"\frac{\partial y}{\partial x} = \frac{\pi x \cos(\pi x) - \sin(\pi x)}{\pi x^2}"),
)

LOG = proof(
    (DEFINITION, r"y = \log(x)"),
    ("That is", r"e^y = x"),
    (INVERSE, r"\frac{\partial y}{\partial x} = \frac{1}{e^y}"),
    ("Substitute", r"\frac{\partial y}{\partial x} = \frac{1}{x}"),
)
LOG1P = proof(
    (DEFINITION, r"y = \log(1 + x)"),
    (CHAIN, r"\frac{\partial y}{\partial x} = \frac{1}{1 + x}"),
)
LOG2 = proof(
    (DEFINITION, r"y = \frac{\log(x)}{\log(2)}"),
    ("The derivative of the logarithm", r"\frac{\partial y}{\partial x} = \frac{1}{\log(2)} \cdot \frac{1}{x}"),
    ("One fraction", r"\frac{\partial y}{\partial x} = \frac{1}{x \log(2)}"),
)
LOG10 = proof(
    (DEFINITION, r"y = \frac{\log(x)}{\log(10)}"),
    ("The derivative of the logarithm", r"\frac{\partial y}{\partial x} = \frac{1}{\log(10)} \cdot \frac{1}{x}"),
    ("One fraction", r"\frac{\partial y}{\partial x} = \frac{1}{x \log(10)}"),
)
EXP2 = proof(
    ("As a power of e", r"y = e^{x \log(2)}"),
    (CHAIN, r"\frac{\partial y}{\partial x} = e^{x \log(2)} \log(2)"),
    (IN_Y, r"\frac{\partial y}{\partial x} = y \log(2)"),
)
EXPM1 = proof(
    (DEFINITION, r"y = e^x - 1"),
    ("The exponential function is its own derivative", r"\frac{\partial y}{\partial x} = e^x"),
    (IN_Y, r"\frac{\partial y}{\partial x} = y + 1"),
)
LOGADDEXP = {
    "a": proof(
        (DEFINITION, r"y = \log(e^a + e^b)"),
        (CHAIN, r"\frac{\partial y}{\partial a} = \frac{e^a}{e^a + e^b}"),
        ("The denominator is a power of e", r"e^a + e^b = e^y"),
        ("Subtract the exponents", r"\frac{\partial y}{\partial a} = e^{a - y}"),
    ),
    "b": proof(
        (DEFINITION, r"y = \log(e^a + e^b)"),
        (CHAIN, r"\frac{\partial y}{\partial b} = \frac{e^b}{e^a + e^b}"),
        ("The denominator is a power of e", r"e^a + e^b = e^y"),
        ("Subtract the exponents", r"\frac{\partial y}{\partial b} = e^{b - y}"),
    ),
}

SQRT = proof(
    (DEFINITION, r"y = \sqrt{x}"),
    ("That is", r"y^2 = x"),
    (INVERSE, r"\frac{\partial y}{\partial x} = \frac{1}{2 y}"),
)
CBRT = proof(
    (DEFINITION, r"y = \sqrt[3]{x}"),
    ("That is", r"y^3 = x"),
    (INVERSE, r"\frac{\partial y}{\partial x} = \frac{1}{3 y^2}"),
)
RECIPROCAL = proof(
    (DEFINITION, r"y = \frac{1}{x}"),
    (QUOTIENT, r"\frac{\partial y}{\partial x} = \frac{0 \cdot x - 1 \cdot 1}{x^2}"),
    (IN_Y, r"\frac{\partial y}{\partial x} = -y^2"),
)
ABSOLUTE = proof(
    ("Side by side", r"y = x [x > 0] - x [x < 0]"),
    (
        "Each side has a constant slope; at the kink itself, that of neither",
        r"\frac{\partial y}{\partial x} = [x > 0] - [x < 0] = \operatorname{sign}(x)",
    ),
)
SQUARE = proof(
    ("A product", r"y = x \odot x"),
    (PRODUCT, r"\frac{\partial y}{\partial x} = x + x"),
    ("Collect", r"\frac{\partial y}{\partial x} = 2 x"),
)
DIVIDE = {
    "a": proof(
        (DEFINITION, r"y = \frac{a}{b}"),
        ("The denominator is a constant factor", r"\frac{\partial y}{\partial a} = \frac{1}{b}"),
    ),
    "b": proof(
        (DEFINITION, r"y = \frac{a}{b}"),
        (QUOTIENT, r"\frac{\partial y}{\partial b} = \frac{0 \cdot b - a \cdot 1}{b^2}"),
        (IN_Y, r"\frac{\partial y}{\partial b} = -\frac{y}{b}"),
    ),
}
HYPOT = {
    "a": proof(
        (DEFINITION, r"y = \sqrt{a^2 + b^2}"),
        (CHAIN, r"\frac{\partial y}{\partial a} = \frac{1}{2 \sqrt{a^2 + b^2}} \cdot 2 a"),
        (IN_Y, r"\frac{\partial y}{\partial a} = \frac{a}{y}"),
    ),
    "b": proof(
        (DEFINITION, r"y = \sqrt{a^2 + b^2}"),
        (CHAIN, r"\frac{\partial y}{\partial b} = \frac{1}{2 \sqrt{a^2 + b^2}} \cdot 2 b"),
        (IN_Y, r"\frac{\partial y}{\partial b} = \frac{b}{y}"),
    ),
}
LOGIT = proof(
    (DEFINITION, r"y = \log(x) - \log(1 - x)"),
    (CHAIN, r"\frac{\partial y}{\partial x} = \frac{1}{x} + \frac{1}{1 - x}"),
    ("One fraction", r"\frac{\partial y}{\partial x} = \frac{1}{x (1 - x)}"),
)

ERF = proof(
    (DEFINITION, r"y = \operatorname{erf}(x)"),
    (INTEGRAND, r"\frac{\partial y}{\partial x} = \frac{2}{\sqrt{\pi}} \exp(-x^2)"),
)
ERFC = proof(
    ("What the error function leaves", r"y = 1 - \operatorname{erf}(x)"),
    (
        "The derivative of the error function",
        r"\frac{\partial y}{\partial x} = -\frac{2}{\sqrt{\pi}} \exp(-x^2)",
    ),
)
ERFI = proof(
    (DEFINITION, r"y = \operatorname{erfi}(x)"),
    (INTEGRAND, r"\frac{\partial y}{\partial x} = \frac{2}{\sqrt{\pi}} e^{x^2}"),
)
ERFCX = proof(
    (DEFINITION, r"y = e^{x^2} \operatorname{erfc}(x)"),
    (
        PRODUCT,
        r"\frac{\partial y}{\partial x} = 2 x e^{x^2} \operatorname{erfc}(x)"
        r" - e^{x^2} \frac{2}{\sqrt{\pi}} e^{-x^2}",
    ),
    (IN_Y, r"\frac{\partial y}{\partial x} = 2 x y - \frac{2}{\sqrt{\pi}}"),
)
DAWSN = proof(
    (DEFINITION, r"y = e^{-x^2} \frac{\sqrt{\pi}}{2} \operatorname{erfi}(x)"),
    (
        PRODUCT,
        r"\frac{\partial y}{\partial x} = -2 x e^{-x^2} \frac{\sqrt{\pi}}{2} \operatorname{erfi}(x) + e^{-x^2} e^{x^2}",
    ),
    (IN_Y, r"\frac{\partial y}{\partial x} = 1 - 2 x y"),
)
SINE_INTEGRAL = proof(
    (DEFINITION, r"y = \operatorname{Si}(x)"),
    (INTEGRAND, r"\frac{\partial y}{\partial x} = \frac{\sin(x)}{x}"),
)
COSINE_INTEGRAL = proof(
    (DEFINITION, r"y = \operatorname{Ci}(x)"),
    (INTEGRAND, r"\frac{\partial y}{\partial x} = \frac{\cos(x)}{x}"),
)
FRESNEL_SINE = proof(
    (DEFINITION, r"y = \operatorname{FresnelS}(x)"),
    (INTEGRAND, r"\frac{\partial y}{\partial x} = \sin(\frac{\pi}{2} x^2)"),
)
FRESNEL_COSINE = proof(
    (DEFINITION, r"y = \operatorname{FresnelC}(x)"),
    (INTEGRAND, r"\frac{\partial y}{\partial x} = \cos(\frac{\pi}{2} x^2)"),
)

RGAMMA = proof(
    (DEFINITION, r"y = \frac{1}{\operatorname{gamma}(x)}"),
    (
        RECIPROCAL_RULE,
        r"\frac{\partial y}{\partial x} ="
        r" -\frac{\operatorname{gamma}(x) \operatorname{polygamma}(0, x)}{\operatorname{gamma}(x)^2}",
    ),
    (IN_Y, r"\frac{\partial y}{\partial x} = -y \operatorname{polygamma}(0, x)"),
)
_RATIO = (DEFINITION, r"y = \frac{\operatorname{gamma}(a + m)}{\operatorname{gamma}(a)}")
POCH = {
    "a": proof(
        _RATIO,
        (
            QUOTIENT,
            r"\frac{\partial y}{\partial a} = \frac{\operatorname{gamma}(a + m) \operatorname{polygamma}(0, a + m)"
            r" \operatorname{gamma}(a) - \operatorname{gamma}(a + m) \operatorname{gamma}(a)"
            r" \operatorname{polygamma}(0, a)}{\operatorname{gamma}(a)^2}",
        ),
        (
            IN_Y,
            r"\frac{\partial y}{\partial a} = y (\operatorname{polygamma}(0, a + m) - \operatorname{polygamma}(0, a))",
        ),
    ),
    "m": proof(
        _RATIO,
        (
            "The denominator is a constant factor",
            r"\frac{\partial y}{\partial m} ="
            r" \frac{\operatorname{gamma}(a + m) \operatorname{polygamma}(0, a + m)}{\operatorname{gamma}(a)}",
        ),
        (IN_Y, r"\frac{\partial y}{\partial m} = y \operatorname{polygamma}(0, a + m)"),
    ),
}
_CHOICES = (
    DEFINITION,
    r"y = \frac{\operatorname{gamma}(n + 1)}{\operatorname{gamma}(k + 1) \operatorname{gamma}(n - k + 1)}",
)
BINOM = {
    "n": proof(
        _CHOICES,
        (
            QUOTIENT,
            r"\frac{\partial y}{\partial n} ="
            r" \frac{\operatorname{gamma}(n + 1) \operatorname{polygamma}(0, n + 1) \operatorname{gamma}(n - k + 1)"
            r" - \operatorname{gamma}(n + 1) \operatorname{gamma}(n - k + 1) \operatorname{polygamma}(0, n - k + 1)}"
            r"{\operatorname{gamma}(k + 1) \operatorname{gamma}(n - k + 1)^2}",
        ),
        (
            IN_Y,
            r"\frac{\partial y}{\partial n} ="
            r" y (\operatorname{polygamma}(0, n + 1) - \operatorname{polygamma}(0, n - k + 1))",
        ),
    ),
    "k": proof(
        _CHOICES,
        (
            RECIPROCAL_RULE,
            r"\frac{\partial y}{\partial k} ="
            r" -\frac{\operatorname{gamma}(n + 1)"
            r" (\operatorname{polygamma}(0, k + 1) - \operatorname{polygamma}(0, n - k + 1))}"
            r"{\operatorname{gamma}(k + 1) \operatorname{gamma}(n - k + 1)}",
        ),
        (
            IN_Y,
            r"\frac{\partial y}{\partial k} ="
            r" y (\operatorname{polygamma}(0, n - k + 1) - \operatorname{polygamma}(0, k + 1))",
        ),
    ),
}
