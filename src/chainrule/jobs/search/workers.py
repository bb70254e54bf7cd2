"""Where trials run: joblib's backend where joblib is installed, else processes of the standard library."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, TypeVar

from chainrule.base.processors import processors

T = TypeVar("T")


def in_parallel(function: Callable[..., T], calls: Sequence[tuple[Any, ...]], jobs: int | None = None) -> Iterator[T]:
    """Yield the results of `function(*call)` for each call, in the order in which they are ready.

    joblib takes the backend of the caller's `joblib.parallel_config`: processes by default, or a cluster such as
    Dask's. Without joblib they are processes of this machine. `jobs` is how many run at once, by default as many as
    there are processors; with one, or a single call, nothing is started. Closing the iterator cancels what has not
    begun.
    """
    jobs = jobs or min(len(calls), processors())
    if jobs == 1 or len(calls) == 1:
        yield from (function(*call) for call in calls)
        return
    try:
        import joblib
    except ModuleNotFoundError:
        yield from _by_processes(function, calls, jobs)
        return
    with_generator = joblib.parallel.get_active_backend()[0].supports_return_generator
    run = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered" if with_generator else "list")
    yield from run(joblib.delayed(function)(*call) for call in calls)


def end_idle() -> None:
    """End the processes that joblib keeps for its next call: they would hold memory while the best is trained."""
    if "joblib.externals.loky" in sys.modules:
        sys.modules["joblib.externals.loky"].get_reusable_executor().shutdown(wait=True)


def _by_processes(function: Callable[..., T], calls: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[T]:
    # "spawn": a forked process would inherit locks of BLAS threads.
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    try:
        for done in as_completed([pool.submit(function, *call) for call in calls]):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
