"""Laws of every divergence."""

import numpy as np
import pytest
import torch

from regraft.core import catalog
from regraft.core.config import entry
from regraft.core.errors import UserError
from regraft.divergences._base import Divergence

NAMES = catalog.names("divergences")
DIFFERENTIABLE = [n for n in NAMES if catalog.find("divergences", n).differentiable]
SHAPES = [(12, 40), (24, 24), (60, 5)]  # N < D, N = D, N > D


@pytest.fixture(autouse=True)
def _one_thread():
    """Small matrices: threads would only wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(name: str) -> Divergence:
    return catalog.find("divergences", name)()


def draw(shape: tuple[int, int], seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_equal_samples_are_at_distance_zero(name, shape):
    a = draw(shape)
    assert make(name)(a, a).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_symmetric_and_independent_of_the_order_of_rows(name, shape):
    divergence, a, b = make(name), draw(shape), 1.5 * draw(shape, 1)[: shape[0] - 3] + 0.5
    value = divergence(a, b)
    assert value.ndim == 0
    assert value > 0
    torch.testing.assert_close(divergence(b, a), value)
    torch.testing.assert_close(divergence(a[torch.randperm(len(a))], b[torch.randperm(len(b))]), value)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_grows_with_the_shift(name, shape):
    """A shift of both mean and spread: some divergences are blind to one of them."""
    divergence = make(name)
    for seed in range(5):
        a, b = draw(shape, seed), draw(shape, 100 + seed)
        values = [divergence(a, (1 + shift) * b + shift).item() for shift in (0.0, 0.5, 1.0, 2.0)]
        assert values == sorted(values)


@pytest.mark.parametrize("rows", [(1, 1), (1, 5), (5, 1), (2, 3), (12, 12)])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_of_small_batches_are_finite(name, rows):
    for spread in (0.0, 1.0):
        a = (spread * draw((rows[0], 8))).requires_grad_()
        b = (spread * draw((rows[1], 8), 1)).requires_grad_()
        value = make(name)(a, b)
        value.backward()
        assert value.isfinite()
        assert a.grad.isfinite().all()
        assert b.grad.isfinite().all()


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_descending_brings_the_samples_together(name):
    divergence, target = make(name), 2 * draw((40, 4), 1) + 1
    a = draw((40, 4)).requires_grad_()
    start = divergence(a, target).item()
    optimiser = torch.optim.Adam([a], 0.05)
    for _ in range(100):
        optimiser.zero_grad()
        divergence(a, target).backward()
        optimiser.step()
    assert divergence(a, target).item() < 0.5 * start


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(DIFFERENTIABLE)))
def test_what_gives_no_gradient_is_refused_as_a_loss(name):
    a = draw((12, 4)).requires_grad_()
    assert not make(name)(a, draw((12, 4), 1) + 1).requires_grad
    with pytest.raises(UserError, match=f"nothing can descend on the divergence '{name}'; take one of coral, "):
        entry("terms", {"name": "align", "divergence": name})


@pytest.mark.parametrize("name", NAMES)
def test_arrays_tensors_and_half_precision_agree(name):
    divergence = make(name)
    a, b = draw((20, 6)), draw((15, 6), 1) + 1
    value = divergence(a, b)
    assert divergence(a.numpy(), b.numpy()).item() == value.item()
    assert divergence(a.numpy().astype(np.float64), b).item() == pytest.approx(value.item(), rel=1e-4)
    assert divergence(a.bfloat16(), b.bfloat16()).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert divergence(a, b).item() == value.item()


@pytest.mark.parametrize("name", NAMES)
def test_a_large_common_offset_does_not_matter(name):
    a, b = draw((30, 6)), 1.5 * draw((30, 6), 1)
    assert make(name)(a + 100, b + 100).item() == pytest.approx(make(name)(a, b).item(), rel=1e-2)


@pytest.mark.parametrize("scale", [1e-30, 1e15])
@pytest.mark.parametrize("name", NAMES)
def test_numbers_that_single_precision_cannot_square_are_compared(name, scale):
    """As the same ones in double precision, whatever the order of their bytes."""
    a, b = (draw((20, 3), seed).numpy() + seed for seed in (0, 1))
    wanted = make(name)((scale * a).astype(np.float64), (scale * b).astype(np.float64)).item()
    assert np.isfinite(wanted)
    for kind in (np.float32, ">f8", np.longdouble):
        found = make(name)((scale * a).astype(kind), (scale * b).astype(kind)).item()
        assert found == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_that_do_not_fit_are_refused(name):
    for a, b in [((3, 2), (3, 4)), ((3,), (3,)), ((0, 2), (3, 2)), ((3, 2, 2), (3, 2, 2))]:
        with pytest.raises(UserError, match="equal width"):
            make(name)(torch.zeros(a), torch.zeros(b))


@pytest.mark.parametrize("name", NAMES)
def test_arrays_that_are_not_finite_numbers_are_refused(name):
    with pytest.raises(UserError, match="matrices of numbers"):
        make(name)([[1.0, 2.0], [3.0]], [[1.0, 2.0]])
    a = draw((5, 2)).numpy()
    bad = a.copy()
    bad[3, 1] = np.nan
    for given, said in (
        (bad, "1 rows are not, first row 3"),
        (np.full((5, 2), "x"), "matrices of numbers"),
        (np.full((5, 2), -1e200), r"beyond 1e\+70"),
        (np.full((5, 2), -1e-200), "all below 1e-70, too small to be squared"),
    ):
        for pair in ((a, given), (given, a)):
            with pytest.raises(UserError, match=said):
                make(name)(*pair)
