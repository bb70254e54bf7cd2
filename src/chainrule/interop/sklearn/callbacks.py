"""scikit-learn's own callbacks (from 1.9 on), called around each epoch; nothing where none is set."""

from collections.abc import Callable
from typing import Any


class Callbacks:
    """The callbacks of one fit; there are none where it has no epochs of its own.

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
