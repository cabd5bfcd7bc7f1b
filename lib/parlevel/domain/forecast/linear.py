"""Linear regression on the design matrix, solved by an orthogonal factorisation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.encode import Encoder
from parlevel.domain.forecast.pooled import Pooled
from parlevel.domain.forecast.tabular import Rows

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Line:
    """Coefficients on encoded features; predictions stay within the targets seen.

    Attributes:
        encoder: features -> columns.
        intercept: demand / scale where every column is zero.
        slopes: (n_columns,).
        top: largest target seen, so that an odd feature cannot extrapolate without bound.
    """

    encoder: Encoder
    intercept: float
    slopes: Floats
    top: float


class Linear(Pooled):
    """Ridge regression of demand / scale; `ridge=0` is ordinary least squares (minimum norm where columns depend).

    The normal equations square the condition number, and gradient steps stop short of the minimum; an
    orthogonal factorisation of the (penalty-augmented) matrix does neither.
    Source: Golub and Van Loan (2013), Matrix Computations, 5.3 and 6.1.4.

    Args (beside those of `pooled.ROWS`):
        ridge: penalty on standardised slopes, in rows' worth: 0 = none.
    """

    format: ClassVar[str] = "json"
    name: ClassVar[str] = "linear"
    refit: ClassVar[bool] = True
    defaults: ClassVar[dict[str, Any]] = {"max_rows": 60_000, "ridge": 30.0}
    tunable: ClassVar[dict[str, tuple[Any, ...]]] = {
        "ridge": (1.0, 10.0, 30.0, 100.0, 300.0),
        "years": (1.0, 2.0, 4.0),
        "recency": (0.5, 1.0, 2.0),
    }

    def learn(self, rows: Rows, seed: int) -> Line:
        """The weighted least-squares line of the rows."""
        encoder = Encoder.fit(rows.features, rows.names)
        columns = encoder.apply(rows.features)
        intercept, slopes = least_squares(columns, rows.target, rows.weight, self.parameters["ridge"])
        return Line(encoder, intercept, slopes, float(np.max(rows.target, initial=0.0)))

    def apply(self, member: Line, features: Floats) -> Floats:
        """Expected demand / scale, (m,)."""
        return np.clip(member.encoder.apply(features) @ member.slopes + member.intercept, 0.0, member.top)

    def to_bytes(self) -> bytes:
        """Everything as JSON."""
        members = [
            {"encoder": m.encoder.facts(), "intercept": m.intercept, "slopes": m.slopes.tolist(), "top": m.top}
            for m in self.members
        ]
        return json.dumps({**self.about(), "members": members}).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote."""
        content = json.loads(payload)
        model = cls.from_about(content)
        model.members = [
            Line(Encoder.load(m["encoder"]), m["intercept"], np.asarray(m["slopes"]), m["top"])
            for m in content["members"]
        ]
        return model

    def describe(self) -> dict[str, Any]:
        """Hyperparameters, features, and the slope of each column per standard deviation."""
        slopes: dict[str, float] = {}
        for member in self.members[:1]:
            names = member.encoder.names(self.features)
            slopes = {name: round(float(v), 6) for name, v in zip(names, member.slopes, strict=True)}
        return {**super().describe(), "slopes": slopes}


def least_squares(columns: Floats, target: Floats, weight: Floats, ridge: float) -> tuple[float, Floats]:
    """Intercept and slopes that minimise sum w (y - a - Xb)^2 + ridge |b|^2; the intercept is free.

    Solved by a singular value decomposition of the centred matrix with sqrt(ridge) I below it.

    Args:
        columns: (m, k).
        target: (m,).
        weight: (m,) > 0.
        ridge: >= 0.

    >>> a, b = least_squares(np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0]), np.ones(3), 0.0)
    >>> round(a, 9), round(float(b[0]), 9)
    (1.0, 2.0)
    """
    w = np.asarray(weight, np.float64)
    y = np.asarray(target, np.float64)
    centre, level = (w @ columns) / w.sum(), float(w @ y / w.sum())
    root = np.sqrt(w)
    matrix, right = (columns - centre) * root[:, None], (y - level) * root
    if ridge > 0:
        k = columns.shape[1]
        matrix = np.concatenate([matrix, np.sqrt(ridge) * np.eye(k)])
        right = np.concatenate([right, np.zeros(k)])
    slopes = np.linalg.lstsq(matrix, right, rcond=None)[0]
    return float(level - centre @ slopes), slopes
