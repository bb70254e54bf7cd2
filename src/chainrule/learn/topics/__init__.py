"""The topics, in the order of a course: from one neuron to attention."""

from .graphs import TOPICS as GRAPHS
from .layers import TOPICS as LAYERS
from .modern import TOPICS as MODERN
from .topic import Topic
from .training import TOPICS as TRAINING

_ORDER = (
    *("neuron", "activations", "two-layers", "softmax", "deep", "graph", "modes", "linear", "broadcasting"),
    *("vanishing", "batch-norm", "layer-norm", "residual", "clipping", "attention", "convolution", "adam"),
)
TOPICS = {
    topic.name: topic for topic in sorted((*LAYERS, *GRAPHS, *MODERN, *TRAINING), key=lambda t: _ORDER.index(t.name))
}

__all__ = ["TOPICS", "Topic"]
