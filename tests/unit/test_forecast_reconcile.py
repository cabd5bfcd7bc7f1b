"""Reconciliation: hand-worked cases, the dense textbook formula, sums that agree and nothing negative."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.forecast.reconcile import (
    Nodes,
    adjusted,
    multipliers,
    reconcile,
    shrink,
    spread_around,
    sums,
    temporal,
)  # fmt: skip

NOTHING = np.zeros((2, 0))


def test_bottom_up_adds() -> None:
    member = np.array([[True, True]])
    out, above = reconcile(np.array([[1.0], [2.0]]), member, Nodes(np.array([[9.0]]), np.zeros((1, 0))),
                           np.ones(2), NOTHING, "bottom_up")  # fmt: skip
    assert out.tolist() == [[1.0], [2.0]]
    assert above.tolist() == [[3.0]]


def test_top_down_spreads_in_proportion() -> None:
    member = np.array([[True, True], [True, False]])
    nodes = Nodes(np.array([[6.0], [0.0]]), np.zeros((2, 0)))
    out, above = reconcile(np.array([[1.0], [2.0]]), member, nodes, np.ones(2), NOTHING, "top_down")
    assert out.tolist() == [[2.0], [4.0]]
    assert above.tolist() == [[6.0], [2.0]]


def test_mint_by_hand() -> None:
    """Two series of variance 1 and 3, a total of variance 4 that says 2 more: they take 1/8 and 3/8 of it."""
    nodes = Nodes(np.array([[12.0]]), np.array([[2.0, -2.0]]))
    errors = np.array([[1.0, -1.0], [np.sqrt(3), -np.sqrt(3)]])
    out, above = reconcile(
        np.array([[4.0], [6.0]]), np.array([[True, True]]), nodes, np.array([1.0, 3.0]), errors, "mint_shrink"
    )
    assert shrink(nodes.errors) == 1.0
    np.testing.assert_allclose(out[:, 0], [4 + 2 / 8, 6 + 6 / 8])
    np.testing.assert_allclose(above, [[11.0]])


def case(seed: int, n: int = 12, k: int = 40, horizon: int = 3) -> tuple[np.ndarray, np.ndarray, Nodes, np.ndarray]:
    rng = np.random.default_rng(seed)
    member = np.stack([np.ones(n, bool), np.arange(n) % 2 == 0, np.arange(n) % 3 == 0, np.arange(n) < 5])
    common = rng.normal(0, 1, (1, k))
    errors = rng.normal(0, 1, (n, k)) * rng.uniform(0.3, 3, (n, 1)) + common
    bottom = 15 + rng.gamma(4, 5, (n, horizon))
    node_errors = member @ errors * 0.5 + rng.normal(0, 2, (len(member), k))
    mean = member @ bottom * rng.uniform(0.8, 1.2, (len(member), 1))
    return bottom, member, Nodes(mean, node_errors), errors


@pytest.mark.parametrize("seed", range(3))
def test_mint_is_the_dense_formula(seed: int) -> None:
    bottom, member, nodes, errors = case(seed)
    variance = (errors**2).mean(axis=1)
    found = multipliers(sums(bottom, member, variance, errors), nodes)
    everything = np.concatenate([nodes.errors, errors])
    full = everything @ everything.T / errors.shape[1]
    w = found.shrinkage * np.diag(np.diag(full)) + (1 - found.shrinkage) * full
    c = np.concatenate([np.eye(len(member)), -member.astype(float)], axis=1)
    base = np.concatenate([nodes.mean, bottom])
    dense = base - w @ c.T @ np.linalg.solve(c @ w @ c.T, c @ base)
    assert 0 < found.shrinkage < 1
    assert dense.min() > 0
    out, above = reconcile(bottom, member, nodes, variance, errors, "mint_shrink")
    np.testing.assert_allclose(out, dense[len(member) :], rtol=1e-8)
    np.testing.assert_allclose(above, dense[: len(member)], rtol=1e-8)


def test_a_series_needs_only_its_own_numbers() -> None:
    bottom, member, nodes, errors = case(5)
    variance = (errors**2).mean(axis=1)
    found = multipliers(sums(bottom, member, variance, errors), nodes)
    whole, _ = reconcile(bottom, member, nodes, variance, errors, "mint_shrink")
    above = member.T.astype(float) @ found.node
    one = adjusted(bottom[3:4], variance[3:4], errors[3:4], above[3:4], found)
    np.testing.assert_allclose(one, whole[3:4])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["bottom_up", "top_down", "mint_shrink"]), st.floats(0.0, 3.0))
def test_sums_agree_and_nothing_is_negative(seed: int, method: str, pull: float) -> None:
    bottom, member, nodes, errors = case(seed)
    nodes = Nodes(nodes.mean * pull, nodes.errors)
    out, above = reconcile(bottom, member, nodes, (errors**2).mean(axis=1), errors, method)  # type: ignore[arg-type]
    assert np.isfinite(out).all()
    assert (out >= 0).all()
    np.testing.assert_allclose(above, member.astype(float) @ out)
    weeks = np.array([0, 0, 1])
    np.testing.assert_allclose(temporal(above, weeks), member.astype(float) @ temporal(out, weeks))


def test_better_nodes_make_better_series_forecasts() -> None:
    """The nodes know the common error that all series share: what mint moves goes the right way."""
    rng = np.random.default_rng(1)
    n, k = 200, 60
    member = np.stack([np.ones(n, bool), np.arange(n) % 2 == 0])
    truth = rng.gamma(4, 5, (n, 1))
    errors = rng.normal(0, 2, (n, k)) + rng.normal(0, 3, (1, k))
    off = 4.0 + rng.normal(0, 2, (n, 1))
    nodes = Nodes(member @ truth, rng.normal(0, 20, (2, k)))
    out, _ = reconcile(truth - off, member, nodes, (errors**2).mean(axis=1), errors, "mint_shrink")
    assert np.abs(out - truth).mean() < 0.6 * np.abs(off).mean()


def test_nodes_spread_as_their_sums_erred() -> None:
    found = spread_around(np.array([[10.0, 1.0]]), np.array([[-3.0, -1.0, 1.0, 3.0]]), np.array([0.25, 0.5, 0.75]))
    np.testing.assert_allclose(found[0, 0], [8.0, 10.0, 12.0])
    assert (found[0, 1] >= 0).all()
    assert spread_around(np.ones((1, 2)), np.zeros((1, 0)), np.array([0.5])).tolist() == [[[1.0], [1.0]]]
