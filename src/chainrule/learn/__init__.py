"""For learners and teachers: exercises with verified keys, practice, and grading that says why."""

from .exercise import Exercise, exercise
from .question import Key
from .topics import TOPICS

__all__ = ["TOPICS", "Exercise", "Key", "exercise"]
