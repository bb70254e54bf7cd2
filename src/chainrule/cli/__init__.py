"""The command line: one thin function for each command, in the order of its help."""

from chainrule.cli.app import command, main

# isort: split
from chainrule.cli import train

# isort: split
from chainrule.cli import trained

# isort: split
from chainrule.cli import generate

# isort: split
from chainrule.cli import look

# isort: split
from chainrule.cli import learn

__all__ = ["command", "generate", "learn", "look", "main", "train", "trained"]
