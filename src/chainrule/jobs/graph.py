"""The subject of `chainrule graph`: a function or model in a file, or a network written by `chainrule train`."""

from chainrule.core.tensor import Tensor
from chainrule.explain.graph.drawing import Graph, graph

from .criterion import of_rows
from .targets import InputSource, call_of


def graph_of(target: str, source: InputSource, fold: bool = True, lang: str = "en") -> Graph:
    """Return the graph of a target with its inputs (`call_of`). A tensor is drawn directly."""
    call = call_of(target, source)
    if isinstance(call.subject, Tensor):
        return graph(call.subject, fold=fold, lang=lang)
    with of_rows(source.loss, source.target, call.args, call.target):
        return graph(call.subject, *call.args, loss=call.loss, target=call.target, fold=fold, lang=lang)
