r"""Operands and conditions: brackets, fractions, roots, norms, Iverson brackets and cases."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from .functions import Function
from .names import ACCENTS, OTHERWISE, NameParser
from .nodes import Node, Number
from .operations import Cases, Pointwise, Reduce
from .tokens import Token

RELATIONS: dict[str, Function] = {
    **{"<": np.less, ">": np.greater, "=": np.equal},
    **{r"\le": np.less_equal, r"\ge": np.greater_equal, r"\ne": np.not_equal},
}
CONNECTIVES: dict[str, Function] = {
    **{r"\land": np.logical_and, "and": np.logical_and, ",": np.logical_and},
    **{r"\lor": np.logical_or, "or": np.logical_or},
}
ROUND = {"(": ")", "{": "}", r"\{": r"\}"}
BARS = {"|": "|", r"\lvert": r"\rvert", r"\|": r"\|", r"\lVert": r"\rVert"}
ROUNDED = {r"\lfloor": (r"\rfloor", np.floor), r"\lceil": (r"\rceil", np.ceil)}
NORMS = {"2": "norm2", "F": "norm2", "1": "norm1", r"\infty": "norminf"}


class OperandParser(NameParser):
    """Reads the operands that are neither functions nor sums."""

    def __init__(self, latex: str, indices: tuple[str, ...]) -> None:
        super().__init__(latex, indices)
        self.open: list[str] = []
        self.readers: dict[str, Callable[[], Node]] = {
            **dict.fromkeys(ROUND, self.parentheses) | dict.fromkeys(ROUNDED, self.rounded),
            **dict.fromkeys(["|", r"\lvert"], self.absolute) | dict.fromkeys([r"\|", r"\lVert"], self.norm),
            **dict.fromkeys(ACCENTS, self.name),
            **{"[": self.bracket, r"\frac": self.fraction, r"\sqrt": self.root, r"\infty": self.infinity},
            r"\begin{cases}": self.cases,
        }

    def primary(self) -> Node:
        """An operand without sub- and superscripts that is not a function's value."""
        token = self.peek
        if token.kind == "number":
            self.advance()
            return Number(float(token.text))
        if token.kind == "letter" or self.at_word():
            return self.name()
        if token.kind == "indicator":
            self.advance()
            return self.indicator()
        if token.text not in self.readers or token.kind == "end":
            self.fail("an operand")
        return self.readers[token.text]()

    @contextmanager
    def within(self, closing: str) -> Iterator[None]:
        """Consume an opening bracket, and the closing one after the contents."""
        self.advance()
        self.open.append(closing)
        yield
        self.expect(closing)
        self.open.pop()

    def argument(self) -> Node:
        """The contents of braces, or a single symbol."""
        if self.peek.text == "{":
            return self.parentheses()
        self.split_number()
        if self.peek.text == r"\infty":
            return self.infinity()
        if self.peek.kind not in {"letter", "number"} or self.peek.text == ".":
            self.fail("braces or a single symbol")
        if self.peek.kind == "number":
            return Number(float(self.advance().text))
        base, after = self.at, self.tokens
        self.tokens = [*after[: base + 1], Token("end", "", after[base].position)]
        node = self.name()
        self.tokens = after
        return node

    def parentheses(self) -> Node:
        """An expression in round brackets or braces."""
        with self.within(ROUND[self.peek.text]):
            return self.expression()

    def fraction(self) -> Node:
        r"""`\frac{a}{b}`."""
        self.advance()
        return Pointwise(np.divide, (self.argument(), self.argument()))

    def root(self) -> Node:
        r"""`\sqrt{x}` or `\sqrt[n]{x}`."""
        self.advance()
        if self.peek.text != "[":
            return Pointwise(np.sqrt, (self.argument(),))
        with self.within("]"):
            degree = self.expression()
        exponent = Pointwise(np.divide, (Number(1.0), degree))
        return Pointwise(np.power, (self.argument(), exponent))

    def infinity(self) -> Node:
        r"""`\infty`."""
        self.advance()
        return Number(float("inf"))

    def rounded(self) -> Node:
        r"""`\lfloor x \rfloor` or `\lceil x \rceil`."""
        closing, function = ROUNDED[self.peek.text]
        with self.within(closing):
            inner = self.expression()
        return Pointwise(function, (inner,))

    def absolute(self) -> Node:
        """`|x|`, elementwise; for a matrix, it could be the determinant."""
        with self.within(BARS[self.peek.text]):
            inner = self.expression()
            if inner.matrix:
                self.fail(r"\operatorname{abs}(A) or \det(A) for a matrix in bars")
        return Pointwise(np.abs, (inner,))

    def norm(self) -> Node:
        r"""`\|x\|`, `\|x\|_1`, `\|x\|_\infty`, `\|A\|_F`."""
        with self.within(BARS[self.peek.text]):
            inner = self.expression()
        if self.peek.text != "_":
            return Reduce("norm2", None, inner)
        self.advance()
        self.split_number()
        braced = self.accept("{")
        if self.peek.text not in NORMS or (inner.matrix and self.peek.text != "F"):
            self.fail("F for the norm of a matrix" if inner.matrix else "one of the norms 1, 2, F, \\infty")
        kind = NORMS[self.advance().text]
        if braced:
            self.expect("}")
        return Reduce(kind, None, inner)

    # Conditions

    def indicator(self) -> Node:
        r"""The bracket after `\mathbb{1}`."""
        if self.peek.text not in {"[", r"\{"}:
            self.fail("a condition in brackets")
        with self.within("]" if self.peek.text == "[" else r"\}"):
            return self.condition()

    def bracket(self) -> Node:
        """An Iverson bracket, 1 where its condition holds, else 0; without a relation, a plain bracket."""
        with self.within("]"):
            first = self.expression()
            return first if self.peek.text == "]" else self.condition(first)

    def condition(self, first: Node | None = None) -> Node:
        """Comparisons, joined by one kind of connective; `first` is their first operand if read already."""
        left = self.comparison(first)
        function: Function | None = None
        while self.peek.text in CONNECTIVES and self.tokens[self.at + 1].text not in {r"\\", r"\end{cases}"}:
            other = CONNECTIVES[self.peek.text]
            if function not in {None, other}:
                self.fail("the same connective throughout")
            function = other
            self.advance()
            left = Pointwise(function, (left, self.comparison()))
        return left

    def comparison(self, first: Node | None = None) -> Node:
        """A chain of relations: `0 < x < 1`."""
        left = first or self.expression()
        if self.peek.text not in RELATIONS:
            self.fail("a relation (< > = \\le \\ge \\ne)")
        found: Node | None = None
        while self.peek.text in RELATIONS:
            relation = RELATIONS[self.advance().text]
            right = self.expression()
            link = Pointwise(relation, (left, right))
            found = link if found is None else Pointwise(np.logical_and, (found, link))
            left = right
        assert found is not None
        return found

    def cases(self) -> Node:
        r"""`\begin{cases} a & x > 0 \\ b & \text{otherwise} \end{cases}`."""
        results, conditions = [], []
        with self.within(r"\end{cases}"):
            while self.peek.text != r"\end{cases}":
                results.append(self.expression())
                self.accept(",")
                self.expect("&")
                self.accept("if", "for")
                conditions.append(Number(1.0) if self.accept(*OTHERWISE) else self.condition())
                self.accept(",")
                if not self.accept(r"\\"):
                    break
        if not results:
            self.fail("a case before the end of the cases")
        return Cases(tuple(results), tuple(conditions))
