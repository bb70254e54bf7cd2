"""`nn.init` fills tensors that are results of operations, such as parametrized weights, as PyTorch does."""

import numpy as np
import pytest

import chainrule.torch as door


def test_a_parametrized_weight_is_filled_and_assigned(torch) -> None:
    def found(lib):
        layer = lib.nn.Linear(4, 4, dtype=lib.float64)
        lib.nn.utils.parametrizations.orthogonal(layer)
        layer.weight = lib.nn.init.eye_(layer.weight)
        return layer.weight.detach().numpy()

    np.testing.assert_allclose(found(door), found(torch), atol=1e-12)


def test_what_was_filled_keeps_its_place_in_the_graph(torch) -> None:
    def found(lib):
        w = lib.tensor([1.0, 2.0, 3.0], dtype=lib.float64, requires_grad=True)
        computed = w * w
        square = computed * computed  # made before, so it has the old numbers
        filled = lib.nn.init.constant_(computed, 5.0)
        assert filled is computed
        (filled**3).sum().backward()
        return square.tolist(), filled.tolist(), w.grad.tolist()

    assert found(door) == found(torch)


def test_a_computed_tensor_with_views_is_refused() -> None:
    computed = door.ones(3, requires_grad=True) * 2
    view = computed[0]
    with pytest.raises(RuntimeError, match="no_grad"):
        door.nn.init.zeros_(computed)
    assert view.item() == 2


def test_modules_made_on_meta_have_values_and_take_others(torch) -> None:
    def found(lib):
        saved = lib.nn.Linear(2, 1).state_dict()
        with lib.device("meta"):
            layer = lib.nn.Linear(2, 1)
        layer.load_state_dict(saved, assign=True)
        return layer(lib.ones(1, 2)).shape == (1, 1), bool((layer.weight == saved["weight"]).all())

    assert found(door) == found(torch) == (True, True)
    with pytest.raises(RuntimeError, match="CPU"), door.device("cuda"):
        pass
