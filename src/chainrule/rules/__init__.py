"""The mathematics: one file for each topic, one class for each operation.

Importing this package registers every operation and gives `Tensor` its operators and methods.
"""

from importlib import import_module
from pkgutil import iter_modules

TOPICS = sorted(name for _, name, _ in iter_modules(__path__) if name not in ("attach", "habits"))

for topic in TOPICS:
    import_module(f"{__name__}.{topic}")

for topic in ("attach", "habits"):
    import_module(f"{__name__}.{topic}")
