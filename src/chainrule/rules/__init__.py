"""The mathematics: one file per topic, one class per operation, in packages of related topics.

Importing this package registers every operation and gives `Tensor` its operators and methods.
"""

from importlib import import_module
from pkgutil import walk_packages

from chainrule.base.garbage import uncollected

ROOMS = ("elementary", "arrays", "linalg", "fft", "network", "attention")

with uncollected():
    for room in ROOMS:
        for found in walk_packages([f"{path}/{room}" for path in __path__], f"{__name__}.{room}."):
            import_module(found.name)

    for last in ("refused", "attach", "meanings.habits"):  # these look up what the others registered
        import_module(f"{__name__}.{last}")
