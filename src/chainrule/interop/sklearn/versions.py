"""What differs between the versions of scikit-learn: 1.5 to 1.9 are known; callbacks come with 1.9."""

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
        """Stands for scikit-learn's class of that name where there is none: there are no callbacks then."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "Callbacks", "validate", "with_callbacks"]


def validate(estimator: Any, X: Any, y: Any = "no_validation", **settings: Any) -> Any:
    """Return `X`, or `(X, y)`, as arrays, checked and counted as scikit-learn does it for its own estimators."""
    if _validate_data is None:
        return estimator._validate_data(X, y, **settings)
    return _validate_data(estimator, X, y, **settings)


class Callbacks:
    """scikit-learn's own callbacks in one fit, around each epoch; there are none where it has no epochs of its own.

    `reconstruct` returns the fitted attributes of the network as it is at that moment.
    """

    def __init__(self, estimator: Any, epochs: int, reconstruct: Callable[[], dict[str, Any]], **data: Any) -> None:
        self.context: Any = None
        self.data = {"estimator": estimator, **data, "reconstruction_attributes": reconstruct}
        if epochs and hasattr(estimator, "_init_callback_context"):
            context = estimator._init_callback_context(max_subtasks=epochs)
            if getattr(estimator, "_skl_callbacks", None):
                self.context = context

    def begin(self) -> None:
        """Tell them that the fit begins."""
        if self.context is not None:
            self.context.call_on_fit_task_begin(**{**self.data, "reconstruction_attributes": None})

    def end(self) -> None:
        """Tell them that it has ended."""
        if self.context is not None:
            self.context.call_on_fit_task_end(**self.data)

    def epoch(self) -> Callable[[], bool]:
        """Tell them that an epoch begins; the function returned tells them of its end, and says whether to stop."""
        if self.context is None:
            return lambda: False
        task = self.context.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(**self.data)
        return lambda: bool(task.call_on_fit_task_end(**self.data))
