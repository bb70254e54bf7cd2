"""The report's sections for texts."""

from chainrule.jobs.training.sections import Sections

SECTIONS = None
