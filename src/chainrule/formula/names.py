r"""Names, subscripts and indices, read with a cursor over the tokens.

A subscript is an index if a sum binds it or the left-hand side has it, else part of the name: `x_i` under
`\sum_i` is an element of `x`, `W_1` and `x_{\min}` are the names `W_1` and `x_min`.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import NoReturn

from .nodes import Index, Indexed, Kronecker, Name, Node, Number
from .tokens import FormulaError, Token

ACCENTS = {r"\bar": "_bar", r"\dot": "_dot", r"\hat": "_hat", r"\tilde": "_tilde"}
CONSTANTS = {"e": math.e, "pi": math.pi}
OTHERWISE = frozenset({"otherwise", "else"})
WORDS = OTHERWISE | {"if", "for", "and", "or"}


def group(tokens: list[Token], start: int) -> list[Token]:
    """The tokens of an argument: one token, or those between braces."""
    if tokens[start].text != "{":
        return tokens[start : start + 1]
    depth = 0
    for place in range(start, len(tokens)):
        depth += (tokens[place].text == "{") - (tokens[place].text == "}")
        if depth == 0:
            return tokens[start + 1 : place]
    return tokens[start + 1 : -1]


class Cursor:
    """A position among the tokens of a formula."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens: list[Token] = []
        self.at = 0

    @property
    def peek(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    def advance(self) -> Token:
        """Consume and return the next token."""
        token = self.peek
        self.at += token.kind != "end"
        return token

    def accept(self, *texts: str) -> bool:
        """Whether the next token is one of these; if so, consume it."""
        found = self.peek.text in texts and self.peek.kind != "end"
        self.at += found
        return found

    def expect(self, text: str) -> None:
        """Consume a token that must come now."""
        if not self.accept(text):
            self.fail(repr(text))

    def fail(self, expected: str) -> NoReturn:
        """Raise an error about the next token."""
        raise FormulaError(f"expected {expected}, found {self.peek}", self.latex, self.peek.position)

    def split_number(self) -> None:
        r"""Without braces, an argument is a single digit: `\frac12` is ½."""
        token = self.peek
        if token.kind == "number" and len(token.text) > 1:
            rest = replace(token, text=token.text[1:], position=token.position + 1)
            self.tokens[self.at : self.at + 1] = [replace(token, text=token.text[0]), rest]


class NameParser(Cursor, ABC):
    """Reads names and their subscripts, with the indices that are bound at that point."""

    def __init__(self, latex: str, indices: tuple[str, ...]) -> None:
        super().__init__(latex)
        self.scope = {index: index for index in indices}
        self.axes = list(indices)
        self.used: set[str] = set()
        self.from_one: set[str] = set()

    @abstractmethod
    def expression(self, floor: int = 0) -> Node:
        """An expression, which a subscript may contain: `x_{i+k}`."""

    def name(self) -> Node:
        """A name, an element of a named array, a constant, or an index used as a number."""
        start = self.at
        base, accents, subscripts = self.symbol()
        key = base + accents
        if subscripts:
            kind = Kronecker if key == "delta" and len(subscripts) == 2 else Indexed
            return kind(Name(key), subscripts)
        if key in self.scope:
            index = self.scope[key]
            if index in self.from_one:
                self.at = start
                self.fail("a sum from 0 for an index that is a number itself")
            return self.index(index)
        return Number(CONSTANTS[key]) if key in CONSTANTS else Name(key)

    def at_word(self) -> bool:
        r"""Whether a name of several letters comes next, not a connective such as `\text{if}`."""
        return self.peek.kind == "text" and self.peek.text not in {*WORDS, ""}

    def index(self, index: str) -> Index:
        """An index where it is used."""
        self.used.add(index)
        return Index(index)

    def symbol(self, subscript: bool = True) -> tuple[str, str, tuple[Node, ...]]:
        """A letter or word with its name-like subscript, its accents, and its indices."""
        token = self.peek
        accents = ""
        subscripts: tuple[Node, ...] = ()
        if token.text in ACCENTS:
            self.advance()
            if self.accept("{"):
                base, accents, subscripts = self.symbol()
                self.expect("}")
            else:
                base, accents, subscripts = self.symbol(subscript=False)
            accents += ACCENTS[token.text]
        elif token.kind == "letter" or self.at_word():
            base = self.advance().text.replace(" ", "_")
        else:
            self.fail("a name")
        if subscript and not subscripts and self.accept("_"):
            suffix, subscripts = self.subscript()
            base += suffix
        return base, accents, subscripts

    def subscript(self) -> tuple[str, tuple[Node, ...]]:
        """The subscript after `_`: the end of a name, or indices."""
        self.split_number()
        inside = group(self.tokens, self.at)
        if any(token.text in self.scope for token in inside):
            return "", self.subscripts()
        braced = self.accept("{")
        parts: list[str] = []
        while not (parts if not braced else self.accept("}")):
            token = self.peek
            if token.kind not in {"letter", "number", "text"} and token.text not in {
                r"\max",
                r"\min",
                r"\infty",
            }:
                self.fail("a name, or indices that a sum or the left-hand side binds, as subscript")
            parts.append(self.advance().text.removeprefix("\\").replace(" ", "_"))
        return "_" + "".join(parts), ()

    def subscripts(self) -> tuple[Node, ...]:
        """Indices side by side or between commas, or arithmetic with them."""
        if not self.accept("{"):
            return (self.single_subscript(),)
        found: list[Node] = []
        while not self.accept("}"):
            found.append(self.expression() if self.at_arithmetic() else self.single_subscript())
            self.accept(",")
        return tuple(found)

    def at_arithmetic(self) -> bool:
        """Whether there is a sum or difference before the next comma."""
        depth = 0
        for token in self.tokens[self.at :]:
            depth += (token.text == "{") - (token.text == "}")
            if depth < 0 or token.kind == "end" or (depth == 0 and token.text == ","):
                return False
            if depth == 0 and token.text in {"+", "-"}:
                return True
        return False

    def single_subscript(self) -> Node:
        """An index, a position, or an element of an array of positions (`W_{t_i j}`)."""
        if self.peek.kind == "number":
            return Number(float(self.advance().text))
        if self.peek.text in self.scope and self.tokens[self.at + 1].text != "_":
            return self.index(self.scope[self.advance().text])
        start = self.at
        node = self.name()
        if not isinstance(node, Indexed):
            self.at = start
            self.fail("an index that a sum or the left-hand side binds")
        return node
