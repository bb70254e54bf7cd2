"""What differs between the versions of scikit-learn: 1.5 to 1.9 are known."""

from typing import Any

try:  # from 1.6 on
    from sklearn.utils.validation import validate_data as _validate_data
except ImportError:
    _validate_data = None

try:  # from 1.9 on
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands for scikit-learn's class of that name where there is none: there are no callbacks then."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "validate", "with_callbacks"]


def validate(estimator: Any, X: Any, y: Any = "no_validation", **settings: Any) -> Any:
    """Return `X`, or `(X, y)`, as arrays, checked and counted as scikit-learn does it for its own estimators."""
    if _validate_data is None:
        return estimator._validate_data(X, y, **settings)
    return _validate_data(estimator, X, y, **settings)
