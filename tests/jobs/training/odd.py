"""Model files whose descriptions have something odd in one place."""

import copy
import json

from chainrule.train import ModelFileError
from chainrule.train.saved.modelfile import read_arrays
from chainrule.train.saved.predictor import predictor_of
from chainrule.train.saved.saving import Checkpoint

ODD = (None, True, -1, 0, 3, 2**31, -(2**70), 1e300, float("nan"), -0.5, "", "a", "\x1b[2J", [], {}, [[]], [1.5, "a"])


def places(tree, path=()):
    """Each place in nested dicts and lists."""
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def odd_descriptions(path):
    """Put each of `ODD` in each place of a file's description, and yield the predictors that are made nevertheless.

    Some must be, and others refused, or the loop over them would show nothing.
    """
    arrays, texts = read_arrays(path)
    meta, own = json.loads(texts["meta"]), {name.removeprefix("model."): a for name, a in arrays.items()}
    made = refused = 0
    for place in places(meta):
        for odd in ODD:
            changed = copy.deepcopy(meta)
            holder = changed
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = odd
            try:
                predictor = predictor_of(Checkpoint("odd.safetensors", changed, own))
            except ModelFileError:
                refused += 1
                continue
            made += 1
            yield predictor
    assert made
    assert refused
