"""Multi-layer perceptrons as scikit-learn estimators: `MLPClassifier` and `MLPRegressor`.

They take scikit-learn's own parameters and more, and work wherever an estimator does. scikit-learn is imported on first
use; without it, an ImportError says how to install it.

>>> from sklearn.datasets import load_iris
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from chainrule.interop.sklearn import MLPClassifier
>>> X, y = load_iris(return_X_y=True)
>>> network = MLPClassifier(solver="lbfgs", random_state=0)
>>> make_pipeline(StandardScaler(), network).fit(X, y).score(X, y) > 0.95
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.base.lacking import lacking
from chainrule.base.optional import needed

if TYPE_CHECKING:
    from .classifier import MLPClassifier
    from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]

_MODULES = {"MLPClassifier": "classifier", "MLPRegressor": "regressor"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        return lacking(__name__)(name)
    needed("sklearn", name)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
