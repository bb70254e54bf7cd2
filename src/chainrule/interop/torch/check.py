"""`check_torch`: does PyTorch compute the right gradient for this `autograd.Function`, module or function?"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from chainrule.base.optional import needed
from chainrule.check.checker import examine
from chainrule.check.measuring.measure import BUDGET
from chainrule.check.report.found import Finding
from chainrule.check.report.report import CheckReport
from chainrule.check.report.verdicts import verdict_of
from chainrule.interop.reports import with_note

from .parts import DissectedTorch
from .subject import TorchSubject

FEW = 100_000
"""Up to this many elements one thread is faster than several, which synchronise at each small operation."""


def check_torch(
    f_or_function: Any,
    *args: Any,
    full: bool = False,
    seed: int = 0,
    expected: str | Collection[str] = (),
    budget: float = BUDGET,
    **settings: Any,
) -> CheckReport:
    """Say whether the gradient that PyTorch computes is right and, if not, why and where it is wrong.

    `f_or_function` is a class derived from `torch.autograd.Function`, a module, or any function of tensors, and is
    called with `*args` and `**settings`, which may hold tensors in tuples, lists and dicts. It checks the gradients of
    all parameters (of the module, or of the modules and leaves that a function refers to), and of the floating tensors
    in the arguments: those with `requires_grad`, or all of them if none has it.

    The method, `expected` and `budget` are those of `chainrule.check`.
    Code that accepts float64 is checked in float64, whatever its dtype. A wrong gradient is traced to the first
    `Function`, submodule or `detach` that causes it. The module, its buffers, the tensors and the random generators are
    left unchanged.

    Raises what the function raises at `args`, TypeError if there is nothing to check or a value is complex or bfloat16,
    and ImportError without PyTorch.

    >>> import torch
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, y_bar):
    ...         (x,) = ctx.saved_tensors
    ...         return y_bar * x
    >>> report = check_torch(Square, torch.linspace(1, 2, 5))
    >>> report.verdict, report.findings[0].code, report.findings[0].operation
    ('wrong', 'factor', 'Square.backward')
    """
    torch = needed("torch", "check_torch")
    if not callable(f_or_function):
        raise TypeError(f"check_torch: expected a Function, a module or a function, got {type(f_or_function).__name__}")
    with _state_kept(torch), torch.inference_mode(False), torch.enable_grad():
        subject = DissectedTorch(f_or_function, args, settings, seed=seed)
        if sum(x.size for x in subject.arguments.values()) < FEW:
            torch.set_num_threads(1)
        report = examine(subject, full=full, seed=seed, expected=expected, budget=budget)
        report = with_note(report, subject.arguments)
    return _with_silent_changes(report, subject)


@contextmanager
def _state_kept(torch: Any) -> Iterator[None]:
    """Restore the random generators and the number of threads afterwards."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_num_threads(threads)


def _with_silent_changes(report: CheckReport, subject: TorchSubject) -> CheckReport:
    """Add the in-place writes that changed no value, such as `relu_` of positive numbers."""
    said = {finding.argument for finding in report.findings if finding.verdict == "mutates-input"}
    text = "it is written to in place, here without a change of its values; work on a copy"
    new = [Finding("mutates-input", name, text, "mutates-input") for name in sorted(subject.written - said)]
    findings = (*report.findings, *new)
    return replace(report, findings=findings, verdict=verdict_of(findings)) if new else report
