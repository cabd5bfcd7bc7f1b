"""Compiled loops of sample paths: random words, stratified normals, values of quantile functions.

Arrays: n series, P paths, H steps, L levels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.compiled import compiled

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_S30, _S27, _S31, _S11 = (np.uint64(bits) for bits in (30, 27, 31, 11))

# Wichura (1988), "Algorithm AS 241", PPND16: the normal quantile function to 16 digits, as ratios of polynomials.
_CENTRE = (
    (3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125, 45921.953931549871457,
     67265.770927008700853, 33430.575583588128105, 2509.0809287301226727),
    (1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077, 21213.794301586595867,
     39307.895800092710610, 28729.085735721942674, 5226.4952788528545610),
)  # fmt: skip
_FLANK = (
    (1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
     1.27045825245236838258, 0.241780725177450611770, 0.0227238449892691845833, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550, 0.148103976427480074590,
     0.0151986665636164571966, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_TAIL = (
    (6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 0.296560571828504891230,
     0.0265321895265761230930, 0.00124266094738807843860, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 0.599832206555887937690, 0.136929880922735805310, 0.0148753612908506148525, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


@compiled
def mixed(word: np.uint64) -> np.uint64:
    """The splitmix64 finaliser: every input bit reaches every output bit. Source: Steele, Lea, Flood (2014)."""
    word = (word ^ (word >> _S30)) * MIX[0]
    word = (word ^ (word >> _S27)) * MIX[1]
    return word ^ (word >> _S31)


@compiled
def orders(base: Words, n_paths: int, steps: int) -> Words:
    """(n, steps, P) random words, whose ranks over the paths say which stratum each path draws from."""
    out = np.empty((len(base), steps, n_paths), np.uint64)
    for i in range(len(base)):
        for p in range(n_paths):
            for h in range(steps):
                out[i, h, p] = mixed(base[i] + np.uint64(p * steps + h + 1) * GOLDEN)
    return out


@compiled
def normals(base: Words, by_rank: NDArray[np.int64]) -> Floats:
    """(n, P, steps) standard normals, stratified over the paths.

    Args:
        base: (n,) word of each series.
        by_rank: (n, steps, P) path that draws from each stratum.
    """
    n, steps, n_paths = by_rank.shape
    out = np.empty((n, n_paths, steps))
    for i in range(n):
        for h in range(steps):
            for rank in range(n_paths):
                p = by_rank[i, h, rank]
                word = mixed(base[i] + np.uint64((n_paths + p) * steps + h + 1) * GOLDEN)
                jitter = np.float64(word >> _S11) * 2.0**-53
                out[i, p, h] = normal_quantile(min(max((rank + jitter) / n_paths, 1e-9), 1 - 1e-9))
    return out


@compiled
def normal_quantile(probability: float) -> float:
    """The standard normal's value at a probability inside (0, 1)."""
    q = probability - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * _ratio(_CENTRE, r)
    r = math.sqrt(-math.log(probability if q < 0 else 1.0 - probability))
    value = _ratio(_FLANK, r - 1.6) if r <= 5.0 else _ratio(_TAIL, r - 5.0)
    return -value if q < 0 else value


@compiled
def _ratio(terms: tuple[tuple[float, ...], tuple[float, ...]], x: float) -> float:
    top, bottom = 0.0, 0.0
    for k in range(len(terms[0]) - 1, -1, -1):
        top = top * x + terms[0][k]
        bottom = bottom * x + terms[1][k]
    return top / bottom


@compiled
def values(
    normal: Floats, share: Floats, quantiles: Floats, levels: Floats, lower: Floats, upper: Floats
) -> NDArray[np.float32]:
    """(n, P, H) units along paths: a one-factor copula read on quantile functions.

    Args:
        normal: (n, P, H + 1) standard normals; the first of a path is what its steps have in common.
        share: (n,) correlation of the steps.
        quantiles: (n, H, L) non-decreasing, units.
        levels: (L,) increasing, inside (0, 1); at least two.
        lower, upper: (n, H) slopes of the tails beyond the levels, as in `quantiles.tail_slopes`.
    """
    n, n_paths, steps = normal.shape
    out = np.empty((n, n_paths, steps - 1), np.float32)
    last = len(levels) - 1
    for i in range(n):
        common, own = math.sqrt(share[i]), math.sqrt(1.0 - share[i])
        for p in range(n_paths):
            for h in range(steps - 1):
                z = common * normal[i, p, 0] + own * normal[i, p, h + 1]
                u = min(max(0.5 * math.erfc(-z / math.sqrt(2.0)), 1e-6), 1 - 1e-6)
                if u < levels[0]:
                    value = quantiles[i, h, 0] - lower[i, h] * math.log(levels[0] / u)
                elif u > levels[last]:
                    value = quantiles[i, h, last] + upper[i, h] * math.log((1.0 - levels[last]) / (1.0 - u))
                else:
                    k = max(int(np.searchsorted(levels, u)), 1)
                    part = (u - levels[k - 1]) / (levels[k] - levels[k - 1])
                    value = quantiles[i, h, k - 1] + (quantiles[i, h, k] - quantiles[i, h, k - 1]) * part
                out[i, p, h] = max(value, 0.0)
    return out
