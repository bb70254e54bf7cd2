"""Text that a notebook and a prompt show as it is, without quotes and escapes."""

from .page import fragment, preformatted


class Shown(str):
    """A text of several lines; displayed, it is itself.

    >>> Shown("one line")
    one line
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return fragment("en", preformatted(str(self)))
