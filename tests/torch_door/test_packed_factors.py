"""LAPACK's packed forms, Hermitian transforms and copies of views, against PyTorch; writes through views of `.data`."""

import numpy as np
import pytest

import chainrule.torch as door

RNG = np.random.default_rng(0)
SQUARE = RNG.normal(size=(2, 5, 5))
SYMMETRIC = SQUARE + np.swapaxes(SQUARE, -2, -1)
HERMITIAN = SYMMETRIC + 1j * (SQUARE - np.swapaxes(SQUARE, -2, -1))
COLUMNS = RNG.normal(size=(2, 5, 3))
CALLS = {
    "geqrf": lambda t: t.geqrf(t.tensor(SQUARE[:, :, :3])),
    "ormqr": lambda t: t.ormqr(*t.geqrf(t.tensor(SQUARE[:, :, :3])), t.tensor(COLUMNS)),
    "ormqr from the right": lambda t: t.ormqr(*t.geqrf(t.tensor(SQUARE)), t.tensor(SQUARE), left=False, transpose=True),
    "lu": lambda t: t.lu(t.tensor(SQUARE), get_infos=True),
    "lu as a method": lambda t: t.tensor(SQUARE).lu(),
    "ldl_factor": lambda t: t.linalg.ldl_factor(t.tensor(SYMMETRIC)),
    "ldl_factor of zeros on the diagonal": lambda t: t.linalg.ldl_factor_ex(t.tensor(SYMMETRIC * (1 - np.eye(5)))),
    "ldl_factor, hermitian": lambda t: t.linalg.ldl_factor(t.tensor(HERMITIAN), hermitian=True),
    "resolve_conj": lambda t: t.tensor(HERMITIAN).conj().resolve_conj(),
    "resolve_neg": lambda t: t.resolve_neg(t.tensor(HERMITIAN).conj().imag),
    "ldl_solve": lambda t: t.linalg.ldl_solve(*t.linalg.ldl_factor(t.tensor(SYMMETRIC)), t.tensor(COLUMNS)),
    "hfft2": lambda t: t.fft.hfft2(t.tensor(HERMITIAN)),
    "hfftn": lambda t: t.fft.hfftn(t.tensor(HERMITIAN), (3, 4), norm="ortho"),
    "ihfft2": lambda t: t.fft.ihfft2(t.tensor(SQUARE), (4, 6)),
    "ihfftn": lambda t: t.fft.ihfftn(t.tensor(SQUARE), dim=(0, 2), norm="forward"),
    "as_strided_scatter": lambda t: t.as_strided_scatter(t.tensor(SQUARE), t.ones(2, 2).double(), (2, 2), (5, 1), 3),
    "diagonal_copy": lambda t: t.diagonal_copy(t.tensor(SQUARE), 1, 1, 2),
    "narrow_copy": lambda t: t.narrow_copy(t.tensor(SQUARE), 1, 2, 2),
    "native_layer_norm": lambda t: t.native_layer_norm(t.tensor(SQUARE), [5], None, None, 1e-5),
    "grid_sampler": lambda t: t.grid_sampler(t.tensor(SQUARE[None]), t.tensor(COLUMNS[None, ..., :2]), 0, 1, False),
}


@pytest.mark.filterwarnings("ignore:torch.lu is deprecated:UserWarning")
def test_values_of_both(torch) -> None:
    for name, call in CALLS.items():
        ours, theirs = call(door), call(torch)
        ours, theirs = ([x] if hasattr(x, "shape") else list(x) for x in (ours, theirs))
        for mine, right in zip(ours, theirs, strict=True):
            assert str(mine.dtype) == str(right.dtype), name
            assert tuple(mine.shape) == tuple(right.shape), name
            np.testing.assert_allclose(
                mine.numpy(), right.resolve_conj().resolve_neg().numpy(), 1e-9, 1e-9, err_msg=name
            )


def test_hermitian_factors_reach_the_matrix() -> None:
    packed, pivots = door.linalg.ldl_factor(door.tensor(HERMITIAN * 0.01 + 3 * np.eye(5)), hermitian=True)
    found = packed.numpy()
    x = door.linalg.ldl_solve(packed, pivots, door.tensor(COLUMNS + 0j), hermitian=True).numpy()
    np.testing.assert_allclose((HERMITIAN * 0.01 + 3 * np.eye(5)) @ x, COLUMNS, atol=1e-12)
    L, D = np.tril(found, -1) + np.eye(5), np.einsum("bii->bi", found)[..., None] * np.eye(5)
    np.testing.assert_allclose(L @ D @ np.conjugate(np.swapaxes(L, 1, 2)), HERMITIAN * 0.01 + 3 * np.eye(5), atol=1e-12)


def test_a_singular_block_is_named() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        door.linalg.ldl_factor(door.zeros(2, 2))


WRITES = {
    "data[:] += 1": lambda w: w.data.__setitem__(slice(None), w.data[:].__iadd__(1)),
    "data[0] *= 2": lambda w: w.data[0].mul_(2),
    "data[0, 0] = 42": lambda w: w.data.__setitem__((0, 0), 42),
    "detach()[0] += 1": lambda w: w.detach()[0].add_(1),
    "data.view(-1)[1] = 7": lambda w: w.data.view(-1)[1].fill_(7),
    "data.t() += 1": lambda w: w.data.t().add_(1),
}


def test_a_view_of_data_writes_into_the_parameter(torch) -> None:
    for name, write in WRITES.items():
        found = []
        for t in (door, torch):
            w = t.nn.Parameter(t.tensor([[1.0, 2.0], [3.0, 4.0]]))
            write(w)
            (w**2).sum().backward()
            found.append((w.tolist(), w.grad.tolist()))
        assert found[0] == found[1], name
    w = door.ones(2, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="view of a leaf"):
        w[0].add_(1)


def test_names_of_recurrent_weights(torch) -> None:
    ours, theirs = (t.nn.GRU(2, 3, 2, bidirectional=True) for t in (door, torch))
    assert ours._flat_weights_names == theirs._flat_weights_names
    assert [tuple(x.shape) for x in ours._flat_weights] == [tuple(x.shape) for x in theirs._flat_weights]
