"""Differences between scikit-learn versions, 1.5 to 1.9; callbacks are new in 1.9."""

from collections.abc import Callable
from typing import Any

try:  # from 1.6 on
    from sklearn.utils.validation import validate_data as _validate_data
except ImportError:
    _validate_data = None

try:  # from 1.9 on
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replaces scikit-learn's class of that name in versions without it: there are no callbacks then."""

    def with_callbacks(method: Any) -> Any:
        """Return the method unchanged."""
        return method


__all__ = ["CallbackSupportMixin", "Callbacks", "validate", "with_callbacks"]


def validate(estimator: Any, X: Any, y: Any = "no_validation", **settings: Any) -> Any:
    """Return `X`, or `(X, y)`, as arrays, validated as in scikit-learn's own estimators."""
    if _validate_data is None:
        return estimator._validate_data(X, y, **settings)
    return _validate_data(estimator, X, y, **settings)


class Callbacks:
    """scikit-learn's own callbacks in one fit, called around each epoch; none for a solver without epochs.

    `reconstruct` returns the fitted attributes of the network in its current state.
    """

    def __init__(self, estimator: Any, epochs: int, reconstruct: Callable[[], dict[str, Any]], **data: Any) -> None:
        self.context: Any = None
        self.data = {"estimator": estimator, **data, "reconstruction_attributes": reconstruct}
        if epochs and hasattr(estimator, "_init_callback_context"):
            context = estimator._init_callback_context(max_subtasks=epochs)
            if getattr(estimator, "_skl_callbacks", None):
                self.context = context

    def begin(self) -> None:
        """Notify them that the fit begins."""
        if self.context is not None:
            self.context.call_on_fit_task_begin(**{**self.data, "reconstruction_attributes": None})

    def end(self) -> None:
        """Notify them that it has ended."""
        if self.context is not None:
            self.context.call_on_fit_task_end(**self.data)

    def epoch(self) -> Callable[[], bool]:
        """Notify them that an epoch begins; the returned function notifies them of its end and says whether to stop."""
        if self.context is None:
            return lambda: False
        task = self.context.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(**self.data)
        return lambda: bool(task.call_on_fit_task_end(**self.data))
