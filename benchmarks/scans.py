"""Loops of many steps, differentiated: the Python loop, `cr.scan` compiled, and `jax.lax.scan` under `jax.jit`.

    OPENBLAS_NUM_THREADS=1 python benchmarks/scans.py

The gradient of a heat equation, of a Kalman filter's likelihood and of a pendulum by Runge-Kutta steps. Every result is
compared before anything is timed. The time to compile is that of the first call, for n steps and for ten times as many.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from timing import alternate, machine, table

import chainrule as cr

RANDOM = np.random.default_rng(0)


def heat(np: Any, scan: Any, n: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The heat equation on a ring of 64 points; the gradient by conductivity and start."""

    def loss(k: Any, u: Any) -> Any:
        def step(u: Any, _: Any) -> Any:
            return u + 0.1 * k * (np.roll(u, 1) - 2 * u + np.roll(u, -1)), None

        return (scan(step, u, None, n)[0] ** 2).sum()

    return loss, (np.asarray(0.7), np.asarray(np.sin(np.arange(64.0))))


def kalman(np: Any, scan: Any, n: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The likelihood of a filter of two states; the gradient by its matrices."""
    ys = np.asarray(np.sin(np.arange(n) / 5.0))
    h, eye = np.asarray([1.0, 0.0]), np.asarray([[1.0, 0.0], [0.0, 1.0]])

    def loss(a: Any, q: Any) -> Any:
        def step(state: Any, y: Any) -> Any:
            m, p = state
            m, p = a @ m, a @ p @ a.T + q @ q.T
            s, r = h @ p @ h + 0.1, y - h @ m
            gain = p @ h / s
            return (m + gain * r, p - np.outer(gain, h @ p)), np.log(s) + r * r / s

        return scan(step, (0 * h, eye), ys, None)[1].sum()

    return loss, (np.asarray([[1.0, 0.1], [-0.1, 0.9]]), 0.3 * eye)


def pendulum(np: Any, scan: Any, n: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A damped pendulum by the classical Runge-Kutta method; the gradient by start and coefficients."""

    def loss(y: Any, c: Any) -> Any:
        def f(y: Any) -> Any:
            return np.stack([y[1], -c[0] * np.sin(y[0]) - c[1] * y[1]])

        def step(y: Any, _: Any) -> Any:
            k1 = f(y)
            k2 = f(y + 0.005 * k1)
            k3 = f(y + 0.005 * k2)
            k4 = f(y + 0.01 * k3)
            return y + 0.01 / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

        return (scan(step, y, None, n)[0] ** 2).sum()

    return loss, (np.asarray([1.0, 0.0]), np.asarray([2.0, 0.1]))


CASES = {"heat equation": (heat, 200), "Kalman filter": (kalman, 100), "Runge-Kutta": (pendulum, 1000)}


def python_loop(f: Any, init: Any, xs: Any, n: int | None) -> Any:
    """The loop that a user would write."""
    carry, ys = init, []
    for k in range(n if xs is None else len(xs)):
        carry, y = f(carry, None if xs is None else xs[k])
        ys.append(y)
    return carry, None if ys[0] is None else np.stack(ys)


def first_call(make: Callable[[], Any], args: tuple[Any, ...]) -> float:
    began = time.perf_counter()
    make()(*args)
    return time.perf_counter() - began


def ours(case: Any, n: int) -> tuple[Callable[[], Any], tuple[Any, ...]]:
    loss, args = case(np, lambda f, init, xs, n: cr.scan(f, init, xs, length=n), n)
    return lambda: cr.compile(cr.grad(loss, argnums=(0, 1))), args


def theirs(case: Any, n: int) -> tuple[Callable[[], Any], tuple[Any, ...]] | None:
    try:
        import jax
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    loss, args = case(jax.numpy, lambda f, init, xs, n: jax.lax.scan(f, init, xs, length=n), n)

    def make() -> Any:
        compiled = jax.jit(jax.grad(loss, argnums=(0, 1)))
        return lambda *a: jax.block_until_ready(compiled(*a))

    return make, args


def report() -> str:
    """Return the table."""
    rows = []
    for name, (case, n) in CASES.items():
        loss, args = case(np, python_loop, n)
        eager = cr.grad(loss, argnums=(0, 1))
        expected = eager(*args)
        candidates: dict[str, Callable[[], object]] = {"eager": lambda f=eager, a=args: f(*a)}
        compile_times = {}
        for peer, made in (("scan", ours), ("jax", theirs)):
            pairs = [made(case, m) for m in (n, 10 * n)]
            if pairs[0] is None:
                continue
            compile_times[peer] = [first_call(*pair) for pair in pairs if pair is not None]
            make, peers_args = pairs[0]
            f = make()
            for found, right in zip(f(*peers_args), expected, strict=True):
                np.testing.assert_allclose(np.asarray(found), right, rtol=1e-8, atol=1e-10)
            candidates[peer] = lambda f=f, a=peers_args: f(*a)
        found = {key: times[0] for key, times in alternate(candidates, rounds=6, repeats=1).items()}
        rows.append([
            f"{name} x {n}",
            *(f"{found[key] * 1e3:.2f}" if key in found else "not installed" for key in ("eager", "scan", "jax")),
            *("; ".join(f"{t:.2f}" for t in compile_times[k]) if k in compile_times else "" for k in ("scan", "jax")),
        ])  # fmt: skip
    head = ["gradient of", "loop, ms", "scan compiled, ms", "JAX, ms", "first call at n; 10 n, s", "JAX's, s"]
    return table(head, rows)


if __name__ == "__main__":
    print(f"({machine()})\n")
    print(report())
