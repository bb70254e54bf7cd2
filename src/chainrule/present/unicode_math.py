r"""LaTeX as a line of Unicode: `W^{(1)\top}` is W⁽¹⁾ᵀ. For terminals, which have no other mathematics."""

import re

SYMBOLS = {
    **{"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ"},
    **{"kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ"},
    **{"phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Phi": "Φ"},
    **{"Sigma": "Σ", "Omega": "Ω", "Lambda": "Λ", "Pi": "Π", "Theta": "Θ", "Psi": "Ψ", "ell": "ℓ", "partial": "∂"},
    **{"odot": "⊙", "cdot": "·", "times": "×", "sum": "Σ", "prod": "Π", "infty": "∞", "top": "ᵀ", "le": "≤"},
    **{"ge": "≥", "ne": "≠", "ldots": "…", "cdots": "…", "vdots": "⋮", "land": "∧", "lor": "∨", "in": "∈", "to": "→"},
    **{
        "log": "log",
        "exp": "exp",
        "max": "max",
        "min": "min",
        "tanh": "tanh",
        "sin": "sin",
        "cos": "cos",
        "det": "det",
    },
    **{"lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "bmod": "mod", "quad": "  ", "qquad": "   "},
}
ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307", "check": "\u030c"}
SUPERSCRIPT = str.maketrans("0123456789+-=()niT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀ")
LABELS = str.maketrans("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")
"""A letter that is a label: W⁽ˣ⁾."""
SUBSCRIPT = str.maketrans("0123456789+-=()aeijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
_WORDS = ("log", "exp", "max", "min", "tanh", "sin", "cos", "det", "Σ", "Π", "if", "otherwise")
_RAISED = frozenset("0123456789+-=()niTᵀ′")
_LOWERED = frozenset("0123456789+-=()aeijklmnoprstuvx")
_MATRIX = re.compile(r"\\begin\{pmatrix\}(.*?)\\end\{pmatrix\}", re.DOTALL)
_CASES = re.compile(r"\\begin\{cases\}(.*?)\\end\{cases\}", re.DOTALL)


def to_unicode(latex: str) -> str:
    r"""Return LaTeX as one line of text.

    >>> to_unicode(r"\frac{\partial L}{\partial W^{(2)}} = a^{(1)\top}\,\delta^{(2)}")
    '∂L/∂W⁽²⁾ = a⁽¹⁾ᵀ δ⁽²⁾'
    >>> to_unicode(r"\hat y_{ij} = \sum_k x_{ik}"), to_unicode(r"\frac{1}{1 + e^{-x}}")
    ('ŷᵢⱼ = Σₖ xᵢₖ', '1/(1 + e^(-x))')
    >>> to_unicode(r"1 - \tanh^2\left(x\right)"), to_unicode(r"\log_2 x"), to_unicode(r"\sum_i x_i")
    ('1 - tanh²(x)', 'log₂ x', 'Σᵢ xᵢ')
    >>> to_unicode(r"\frac{\partial L}{\partial \mathrm{log\_scale}}")
    '∂L/∂log_scale'
    """
    import unicodedata

    text = _MATRIX.sub(lambda m: _rows(m[1]), latex)
    text = _CASES.sub(lambda m: _alternatives(m[1]), text)
    written = re.sub(r" {2,}", " ", _write(text)).strip().replace(" ᵀ", "ᵀ")
    for loose, close in (("( ", "("), (" )", ")"), ("⌊ ", "⌊"), (" ⌋", "⌋")):
        written = written.replace(loose, close)
    return unicodedata.normalize("NFC", written)


def _rows(body: str) -> str:
    rows = [", ".join(cell.strip() for cell in row.split("&")) for row in body.split(r"\\")]
    return "[" + "; ".join(rows) + "]"


def _alternatives(body: str) -> str:
    rows = [[part.strip() for part in row.split("&")] for row in body.split(r"\\")]
    return r"\{" + "; ".join(_alternative(*row) for row in rows) + r"\}"


def _alternative(value: str, condition: str = "") -> str:
    """Return a value with its condition; in Korean, where `if` stands behind it, they are parted by a comma."""
    return f"{value}{' ' if condition.isascii() else ', '}{_condition(condition)}" if condition else value


def _condition(text: str) -> str:
    """Return the condition of an alternative in words: the last one may be `otherwise`, and others bring their own."""
    return text if re.search(r"\\text\{[^{}]*\}$", text) else f"if {text}"


def _write(latex: str) -> str:
    out: list[str] = []
    position = 0
    while position < len(latex):
        mark = latex[position]
        fraction = _FRACTION.match(latex, position)
        if fraction:
            text, position = _fraction(latex, fraction.end(), "".join(out).rstrip())
        elif mark == "\\":
            text, position = _command(latex, position)
        elif mark in "^_":
            inside, position = group(latex, position + 1)
            is_word = mark == "_" and inside.startswith(r"\text")
            text = f"[{_write(inside)}]" if is_word else _script(_write(inside), mark)
            if out and out[-1].rstrip() in _WORDS:  # the square of a function stands at its name: tanh²(x)
                out[-1] = out[-1].rstrip()
        elif mark in "{}":
            text, position = "", position + 1
        else:
            text, position = ("′" if mark == "'" else mark), position + 1
        out.append(text)
    return "".join(out)


_FRACTION = re.compile(r"\\[td]?frac(?![A-Za-z])")
_NUMBERS = re.compile(r"-?\d+/\d+")
_NO_FACTOR = "[co]dot|times|right|q?quad|[lgn]e|land|lor|in|to|text|end|sum|prod|[lcv]?dots"
_NEXT_FACTOR = re.compile(rf"(?:\s|\\,)*(?!if )(?:[A-Za-z0-9(\[]|\\(?!(?:{_NO_FACTOR})(?![A-Za-z]))[A-Za-z])")


def _fraction(latex: str, position: int, before: str) -> tuple[str, int]:
    """Return a fraction as a quotient, with a dot where a factor beside it would read as part of it."""
    over, position = group(latex, position)
    under, position = group(latex, position)
    above, below = _write(over).strip(), _factor(_write(under), True)
    if above.startswith("-") and before and before[-1] not in "=([{,;|":
        above = f"({above})"
    text = f"{_factor(above)}/{below}"
    is_derivative = text.startswith("∂") and " " not in text
    is_number = _NUMBERS.fullmatch(text) is not None
    if is_number and before and (before[-1].isalnum() or before[-1] in ")]") and not before.endswith(_WORDS):
        text = f"· {text}"
    if not (is_derivative or is_number) and _NEXT_FACTOR.match(latex, position):
        text += " · "
    return text, position


def _command(latex: str, position: int) -> tuple[str, int]:
    match = re.compile(r"\\([A-Za-z]+)\*?|\\(.)").match(latex, position)
    assert match is not None
    name, after = match[1], match.end()
    if name is None:
        return {"{": "{", "}": "}", "|": "‖"}.get(match[2], " "), after
    if name == "sqrt":
        degree = ""
        if latex[after : after + 1] == "[":
            end = latex.index("]", after)
            degree, after = _script(latex[after + 1 : end], "^"), end + 1
        inside, after = group(latex, after)
        return f"{degree}√{_factor(_write(inside), True)}", after
    if name in ACCENTS:
        inside, after = group(latex, after)
        text = _write(inside)
        return text[:1] + ACCENTS[name] + text[1:], after
    if name in ("text", "mathrm", "operatorname", "mathbb", "mathbf"):
        inside, after = group(latex, after)
        return inside.replace(r"\_", "_"), after
    if name in ("left", "right"):
        return ("", after + 1) if latex[after : after + 1] == "." else ("", after)
    text = SYMBOLS.get(name, name)
    is_word = text.isalpha() and len(text) > 1 and latex[after : after + 1] not in ("(", "_")
    return text + (" " if is_word else ""), after + (latex[after : after + 1] == " " and (is_word or name == "partial"))


def _is_bracketed(text: str) -> bool:
    """Whether one pair of brackets is around all of a text."""
    depth = 0
    for place, mark in enumerate(text):
        depth += (mark == "(") - (mark == ")")
        if depth == 0 and place < len(text) - 1:
            return False
    return text.startswith("(") and depth == 0


def _factor(text: str, is_divisor: bool = False) -> str:
    """Put brackets around what a fraction line would have held together."""
    stripped = text.strip()
    if _is_bracketed(stripped):
        return stripped
    if is_divisor and stripped.startswith("-"):
        return f"({stripped})"
    outside = _outside_brackets(stripped.removeprefix("-").removeprefix("∂"))
    loose = re.search(r"[+\-·⊙/ ]" if is_divisor else r"[+\-]|(?<=.) ", outside)
    return f"({stripped})" if loose and not (stripped.startswith("∂") and " " not in stripped) else stripped


def _outside_brackets(text: str) -> str:
    """Return a text without what stands in brackets, which holds together by itself."""
    kept, depth = "", 0
    for mark in text:
        depth -= mark in ")]}"
        kept += mark if depth == 0 else ""
        depth += mark in "([{"
    return kept


def _script(text: str, mark: str) -> str:
    text = text.strip()
    raised = mark == "^"
    small, table = (_RAISED, SUPERSCRIPT) if raised else (_LOWERED, SUBSCRIPT)
    plain = text.replace(",", "").replace(" ", "") if not raised else text
    if plain and all(c in small for c in plain):
        return plain.translate(table)
    if raised and text.startswith("(") and text.endswith(("ᵀ", ")")) and text.count("(") == 1:
        end = "ᵀ" if text.endswith("ᵀ") else ""
        label = text.removesuffix("ᵀ")[1:-1]
        return f"⁽{label.translate(LABELS) if len(label) == 1 else label}⁾{end}"
    if raised:
        return f"^{text}" if len(text) == 1 else f"^({text})"
    if re.fullmatch(r"[a-z] [a-z][ᵢⱼ]?", text):  # an index by itself, and one that an array holds: z[i, yᵢ]
        text = text.replace(" ", ", ")
    return f"[{text}]" if " " in text else f"_{text} "


def group(latex: str, position: int) -> tuple[str, int]:
    """Return what stands in braces from a position on, or the one symbol there, and where it ends."""
    while latex[position] == " ":
        position += 1
    if latex[position] != "{":
        match = re.compile(r"\\[A-Za-z]+|.").match(latex, position)
        assert match is not None
        return match.group(), match.end()
    depth = 0
    for place in range(position, len(latex)):
        depth += (latex[place] == "{") - (latex[place] == "}")
        if depth == 0:
            return latex[position + 1 : place], place + 1
    return latex[position + 1 :], len(latex)
