"""autograd.wrap_util: from an operator on functions of one argument to one that takes `argnum`."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .sequences import subvals

__all__ = ["get_doc", "get_name", "unary_to_nary", "wrap_nary_f", "wraps"]


def get_name(f: Any) -> str:
    """Return a function's name."""
    return str(getattr(f, "__name__", "[unknown name]"))


def get_doc(f: Any) -> str:
    """Return a function's docstring, "" if it has none."""
    return str(getattr(f, "__doc__", ""))


def wraps(fun: Any, namestr: str = "{fun}", docstr: str = "{doc}", **words: Any) -> Callable[[Any], Any]:
    """Give a function a name and a docstring made from those of `fun`."""

    def named(f: Any) -> Any:
        with suppress(AttributeError, KeyError, ValueError):
            f.__name__ = namestr.format(fun=get_name(fun), **words)
            f.__doc__ = docstr.format(fun=get_name(fun), doc=get_doc(fun), **words)
        return f

    return named


def wrap_nary_f(fun: Any, op: Any, argnum: Any) -> Callable[[Any], Any]:
    """Name a derived function after the function, the operator and the argument."""
    doc = (
        "    {op} of function {fun} with respect to argument number {argnum}. Takes the\n"
        "    same arguments as {fun} but returns the {op}.\n    "
    )
    return wraps(fun, "{op}_of_{fun}_wrt_argnum_{argnum}", doc, op=get_name(op), argnum=argnum)


def unary_to_nary(unary_operator: Callable[..., Any]) -> Any:
    """Turn `operator(f, x, ...)`, for functions of one argument, into `operator(f, argnum=0, ...)(*args, **kwargs)`.

    `argnum` is a position, or a tuple or list of positions, for which `x` is a tuple. Raises TypeError for anything
    else.
    """

    @wraps(unary_operator)
    def nary_operator(fun: Any, argnum: Any = 0, *operator_args: Any, **operator_settings: Any) -> Any:
        if type(argnum) not in (int, tuple, list):
            raise TypeError(
                f"{get_name(unary_operator)}: argnum: expected a position or a tuple of positions, got {argnum!r}"
            )

        name = get_name(fun)

        @wrap_nary_f(fun, unary_operator, argnum)
        def nary_f(*args: Any, **kwargs: Any) -> Any:
            if len(args) == 1 and argnum == 0 and not kwargs:  # the function as it is
                return unary_operator(fun, args[0], *operator_args, **operator_settings)

            def unary_f(x: Any) -> Any:
                places = [(argnum, x)] if isinstance(argnum, int) else zip(argnum, x, strict=True)
                return fun(*subvals(args, places), **kwargs)

            unary_f.__name__ = name
            x = args[argnum] if isinstance(argnum, int) else tuple(args[i] for i in argnum)
            return unary_operator(unary_f, x, *operator_args, **operator_settings)

        return nary_f

    return nary_operator
