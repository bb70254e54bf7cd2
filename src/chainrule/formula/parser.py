r"""From tokens to the parts of a formula: a Pratt parser.

`expression(floor)` reads an operand and then every operator that binds tighter than `floor`. Anything ambiguous is an
error, never a guess.
"""

from collections.abc import Callable

import numpy as np

from .functions import REDUCTIONS, Function
from .names import ACCENTS, group
from .nodes import Indexed, Node, Number
from .operands import BARS, ROUND, ROUNDED, OperandParser
from .operations import Call, IndexReduce, Inverse, Pointwise, Power, Product, Reduce, Transpose
from .tokens import Token

SUM, NEGATIVE, PRODUCT, POSTFIX = 10, 15, 20, 30
INFIX: dict[str, tuple[int, Function]] = {
    **{"+": (SUM, np.add), "-": (SUM, np.subtract)},
    **{"/": (PRODUCT, np.divide), r"\cdot": (PRODUCT, np.multiply), r"\odot": (PRODUCT, np.multiply)},
}
BIG = {r"\sum": "sum", r"\prod": "prod", r"\max": "max", r"\min": "min"}
COMMANDS = frozenset(
    {r"\exp", r"\log", r"\ln", r"\max", r"\min", r"\det", r"\sin", r"\cos", r"\tan"}
    | {r"\sinh", r"\cosh", r"\tanh", r"\arcsin", r"\arccos", r"\arctan"}
)
FUNCTION_LETTERS = frozenset({"f", "g", "sigma", "Phi", "phi"})
STARTS = frozenset({*ROUND, *BARS, *ROUNDED, *ACCENTS, *BIG, *COMMANDS, "["}) | {
    *(r"\frac", r"\sqrt", r"\infty", r"\begin{cases}"),
}
EULER = Number(np.e)


class Parser(OperandParser):
    """Reads the sides of a formula one after another; its indices are shared between the sides."""

    def __init__(self, latex: str, functions: frozenset[str], indices: tuple[str, ...]) -> None:
        super().__init__(latex, indices)
        self.functions = FUNCTION_LETTERS | functions
        self.bare: Node | None = None

    def whole(self, tokens: list[Token]) -> Node:
        """All tokens as one expression."""
        self.tokens, self.at, self.open = list(tokens), 0, []
        node = self.expression()
        if self.peek.kind != "end":
            self.fail("an operator or the end")
        return node

    # Operators

    def expression(self, floor: int = 0) -> Node:
        """An operand and every operator that binds tighter than `floor`."""
        left = last = self.operand(floor)
        divided = False
        while True:
            token = self.peek
            if token.text in INFIX:
                power, function = INFIX[token.text]
                if power <= floor:
                    return left
                divided = token.text == "/"
                if divided and last is self.bare:
                    self.fail("parentheses around the argument of the function")
                self.advance()
                last = self.expression(power)
                left = Pointwise(function, (left, last))
            elif self.at_operand():
                if floor >= PRODUCT:
                    return left
                self.check_juxtaposition(last, divided)
                last = self.expression(PRODUCT)
                left = Product(left, last)
            else:
                return left

    def check_juxtaposition(self, last: Node, divided: bool) -> None:
        r"""Refuse ambiguous notation: `a / b c`, `\log x y`, `2 3`."""
        if divided:
            self.fail(r"\cdot, or the denominator in a \frac or parentheses")
        if last is self.bare and not (self.peek.spaced or self.at_function() or self.at_big()):
            self.fail(r"parentheses around the argument of the function, or \, after it")
        if self.peek.kind == "number" and isinstance(last, Number):
            self.fail(r"\cdot between two numbers")

    def operand(self, floor: int) -> Node:
        """One operand with its sub- and superscripts, or a negated term."""
        if self.peek.text == "-" and floor < PRODUCT:
            self.advance()
            return Pointwise(np.negative, (self.expression(NEGATIVE),))
        if self.at_big():
            return self.big()
        node = self.call() if self.at_function() else self.primary()
        if node is self.bare:
            return node
        if self.peek.text == "_":
            node = self.element(node)
        if self.peek.text == "^":
            node = self.superscript(node)
            if self.peek.text in {"^", "_", "'"}:
                self.fail("one superscript, after the subscript")
        return node

    def element(self, node: Node) -> Node:
        r"""`(\ldots)_{ij}`: elements of a whole expression."""
        inside = group(self.tokens, self.at + 1)
        if node.laid_out or not any(token.text in self.scope for token in inside):
            self.fail("a subscript only after a name, or indices after a whole array")
        self.advance()
        return Indexed(node, self.subscripts())

    def superscript(self, base: Node) -> Node:
        """A transpose, an inverse, both, or a power."""
        self.advance()
        self.split_number()
        inside = group(self.tokens, self.at)
        special: dict[tuple[str, ...], Callable[[], Node]] = {
            (r"\top",): lambda: Transpose(base),
            ("-", r"\top"): lambda: Transpose(Inverse(base)),
            ("-", "1"): lambda: Inverse(base),
        }
        texts = tuple(token.text for token in inside)
        if texts in special:
            self.at += len(texts) if len(texts) == 1 and self.peek.text != "{" else len(texts) + 2
            return special[texts]()
        if texts == ("T",) or (len(texts) == 3 and texts[0] == "("):
            self.fail(r"\top or a power, not a label,")
        if texts[:1] == (r"\odot",) and self.accept("{"):
            self.advance()
            exponent = self.expression()
            self.expect("}")
            return Pointwise(np.power, (base, exponent))
        exponent = self.argument()
        return Pointwise(np.exp, (exponent,)) if base == EULER else Power(base, exponent)

    def at_operand(self) -> bool:
        """Whether the next token starts an operand."""
        token = self.peek
        if token.text in {"|", r"\|"} and self.open and self.open[-1] == token.text:
            return False
        kinds = {"letter", "number", "operator", "indicator"}
        return token.text in STARTS or token.kind in kinds or self.at_word()

    # Functions and big operators

    def at_function(self) -> bool:
        """Whether a function comes next: a command, an operator, or a letter immediately followed by `(`."""
        token = self.peek
        if token.text in COMMANDS or token.kind == "operator":
            return True
        following = self.tokens[self.at + 1] if token.kind != "end" else token
        if token.kind == "letter" and following.text == "'":
            return True
        called = following.text == "(" and not following.spaced
        return called and (token.kind == "text" or (token.kind == "letter" and token.text in self.functions))

    def call(self) -> Node:
        r"""`\exp(x)`, `\log x`, `\tanh^2(x)`, `\log_2(x)`, `\sigma'(x)`, `\max(a, b)`."""
        token = self.advance()
        name = token.text.removeprefix("\\")
        while self.accept("'"):
            name += "'"
        base = self.argument() if name == "log" and self.accept("_") else None
        power = self.function_power() if self.accept("^") else None
        bare = self.peek.text not in {"(", r"\{"}
        if bare and token.kind in {"letter", "text"}:
            self.fail("'(' after the name of a function")
        arguments = (self.operand(POSTFIX),) if bare else self.arguments()
        single = len(arguments) == 1 and name in REDUCTIONS
        node: Node = Reduce(name, None, arguments[0]) if single else Call(name, arguments)
        if base is not None:
            node = Pointwise(np.divide, (node, Call("log", (base,))))
        if power is not None:
            node = Pointwise(np.power, (node, power))
        self.bare = node if bare else self.bare
        return node

    def function_power(self) -> Node:
        """The power of a function's value; −1 could be its inverse."""
        texts = [token.text for token in group(self.tokens, self.at)]
        if texts[:1] == ["-"] or r"\top" in texts or texts[:1] == ["("]:
            self.fail("a positive power of a function")
        return self.argument()

    def arguments(self) -> tuple[Node, ...]:
        """Arguments in round brackets, between commas."""
        found = []
        with self.within(ROUND[self.peek.text]):
            found.append(self.expression())
            while self.accept(","):
                found.append(self.expression())
        return tuple(found)

    def at_big(self) -> bool:
        r"""Whether a big operator such as a sum comes next; `\max` and `\min` are big operators only with a
        subscript.
        """
        text = self.peek.text
        return text in {r"\sum", r"\prod"} or (text in BIG and self.tokens[self.at + 1].text == "_")

    def big(self) -> Node:
        """A sum, product, maximum or minimum over indices or axes; it extends to the next + or −."""
        kind = BIG[self.advance().text]
        if not self.accept("_"):
            return Reduce(kind, None, self.expression(NEGATIVE))
        inside = group(self.tokens, self.at)
        if len(inside) == 1 and inside[0].kind == "text":
            self.at += 1 if self.peek.kind == "text" else 3
            return Reduce(kind, inside[0].text, self.expression(NEGATIVE))
        outer = self.scope
        node = self.indexed_big(kind)
        self.scope = outer
        return node

    def indexed_big(self, kind: str) -> Node:
        """The indices, bounds or condition, and the terms of a sum."""
        condition = lower = count = None
        braced = self.accept("{")
        start, over = self.at, self.bind(braced)
        if braced:
            if self.accept("="):
                lower = self.lower_bound(over)
            elif self.peek.text != "}":
                self.at = start
                condition = self.condition()
            self.expect("}")
        if lower is not None and self.accept("^"):
            upper = self.argument()
            count = upper if lower == 1.0 else Pointwise(np.add, (upper, Number(1.0)))
        return IndexReduce(kind, over, condition, count, self.expression(NEGATIVE))

    def bind(self, several: bool) -> tuple[str, ...]:
        """The letters of a sum, as new indices; without braces there is only one."""
        over: list[str] = []
        while self.peek.kind == "letter" and (several or not over):
            written = index = self.advance().text
            while index in self.axes:
                index += "'"
            self.axes.append(index)
            self.scope = {**self.scope, written: index}
            over.append(index)
            if several:
                self.accept(",")
        if not over:
            self.fail(r"an index, or axes in \text{}")
        return tuple(over)

    def lower_bound(self, over: tuple[str, ...]) -> float:
        """Where a sum starts: 0 or 1, either of which means the first element."""
        if self.peek.text not in {"0", "1"} or len(over) > 1:
            self.fail("0 or 1 as the lower bound of one index")
        lower = float(self.advance().text)
        if lower == 1.0:
            self.from_one.update(over)
        return lower
