import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.check import check_parameters
from chainrule.nn.networks import ConvNet, Perceptron, ResNet, VisionTransformer

NETWORKS = {
    "perceptron": lambda: Perceptron((2, 4, 4), 3, (5,)),
    "convolutional": lambda: ConvNet((2, 4, 4), 3, (3, 4), 5),
    "residual": lambda: ResNet(2, 3, (3, 4)),
    "transformer": lambda: VisionTransformer((2, 4, 5), 3, patch=2, width=4, depth=1, heads=2),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    cr.seed(0)
    return NETWORKS[request.param]()


def data(network, count=3):
    rng = np.random.default_rng(1)
    width = 5 if isinstance(network, VisionTransformer) else 4
    return rng.standard_normal((count, 2, 4, width)).astype(np.float32), np.arange(count) % 3


def test_its_gradients_are_right(network):
    assert check_parameters(network, nn.CrossEntropyLoss(), *data(network), directions=1, coordinates=0).ok


def test_every_equation_of_its_derivation_holds(network):
    x, y = data(network, 2)
    derivation = cr.explain(network.eval(), x, loss=nn.CrossEntropyLoss(label_smoothing=0.1), target=y, level="brief")
    assert derivation.ok


@pytest.mark.slow
def test_it_is_drawn_examined_and_compiled(network):
    x, y = data(network, 8)
    loss = nn.CrossEntropyLoss()
    assert len(cr.graph(network, x, loss=loss, target=y).to_svg()) > 1000
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    cr.doctor(network, loss, [(x, y)], optimizer, try_remedies=False)

    def step(x, y):
        optimizer.zero_grad()
        value = loss(network.eval()(x), y)
        value.backward()
        return value

    expected = float(step(x, y))
    compiled = cr.compile(step)
    assert abs(float(compiled(x, y)) - expected) < 1e-5


@walked("size", [5, 8, 32])
def test_a_residual_network_takes_pictures_of_any_size(size):
    assert ResNet(1, 4, stride=2).eval()(np.zeros((2, 1, size, size))).shape == (2, 4)


def test_pictures_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="2 stages halve the height and width; expected at least 4 pixels, got 3×9"):
        ConvNet((1, 3, 9), 2)
    with pytest.raises(ValueError, match="expected at least one patch of 4×4 pixels, got pictures of 3×9"):
        VisionTransformer((1, 3, 9), 2)
