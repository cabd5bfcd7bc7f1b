"""Returns: negative sales set against the sales that they undo."""

from __future__ import annotations

import numpy as np

from parlevel.domain.clean.grid import Bools, Floats


def net_returns(sales: Floats) -> tuple[Floats, Bools, Bools]:
    """Take returned units out of the newest earlier sales of the series.

    A unit sold at t stays sold if the running total of signed sales never falls below the unit's own
    place in it afterwards (last in, first out). Returns without earlier sales are dropped, and a return of more
    than the series has sold so far undoes nothing at all: it is a slip of the keyboard, not a customer.

    Args:
        sales: (n_series, n_periods) signed units; NaN = unknown, counts as nothing.

    Returns: net sales >= 0; which periods a return touched; which returns (partly) found no sale.

    >>> net_returns(np.array([[5.0, 3.0, -4.0, 2.0]]))[0].tolist()
    [[4.0, 0.0, 0.0, 2.0]]
    """
    signed = np.nan_to_num(sales)
    sold_before = np.cumsum(np.maximum(signed, 0.0), axis=1)
    believed = -signed <= sold_before + 1e-9
    signed = np.where(believed, signed, 0.0)
    running = np.cumsum(signed, axis=1)
    lowest = np.minimum(np.minimum.accumulate(running, axis=1), 0.0)
    height = running - lowest
    before = np.concatenate([np.zeros((len(sales), 1)), height[:, :-1]], axis=1)
    stays = np.minimum.accumulate(height[:, ::-1], axis=1)[:, ::-1]
    sold = np.maximum(signed, 0.0)
    net = np.clip(stays - before, 0.0, sold)
    # sums and differences of other periods must not show as rounding where nothing was returned
    net = np.where(np.abs(net - sold) <= 1e-9 * np.maximum(np.abs(running), 1.0), sold, net)
    touched = (sales < 0) | (net < sold)
    unmatched = (sales < 0) & (~believed | (before + signed < -1e-9))
    return np.where(np.isnan(sales), np.nan, net), touched, unmatched
