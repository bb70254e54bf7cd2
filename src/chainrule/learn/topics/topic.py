"""A topic: its title, a way to draw a solution with numbers, and where it applies a backward pass written by hand."""

from collections.abc import Callable
from dataclasses import dataclass

from chainrule.learn.draw import Draw
from chainrule.learn.lines import Both, Solution


@dataclass(frozen=True)
class Topic:
    """One topic of the course.

    `solution(draw, level)` returns a network or a sequence of formulas with numbers; more steps at a higher level.
    `source` shows the network in Python and `backward` a right backward pass for it, if exercises ask for one; `said`
    tells what the network is, if its formulas do not. `tables`: whether its exercises include tables of the doctor.
    """

    name: str
    title: Both
    solution: Callable[[Draw, int], Solution]
    backward: str = ""
    said: Both = ("", "")
    tables: bool = False
