"""The command line: one thin function for each command, in the order of its help."""

from chainrule.cli.app import app, command, main

# isort: split
from chainrule.cli import train

# isort: split
from chainrule.cli import trained

# isort: split
from chainrule.cli import generate

# isort: split
from chainrule.cli import look
from chainrule.jobs.learning.commands import COMMANDS as LEARNING

for _function, _example in LEARNING.items():
    command(_example)(_function)

__all__ = ["app", "generate", "look", "main", "train", "trained"]
