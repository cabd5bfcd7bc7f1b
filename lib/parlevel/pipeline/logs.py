"""Every line that parlevel logs during a stage says which run and stage it belongs to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_where: ContextVar[str] = ContextVar("where", default="")


@contextmanager
def within(run_id: str, stage: str) -> Iterator[None]:
    """Lines logged inside belong to this stage of this run."""
    token = _where.set(f"run={run_id} stage={stage}")
    try:
        yield
    finally:
        _where.reset(token)


class Located(logging.Filter):
    """For a handler: puts run and stage before lines of parlevel that do not name them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true; the record is changed once, however many handlers see it."""
        where, text = _where.get(), record.getMessage()
        if where and record.name.split(".")[0] == "parlevel" and not text.startswith("run="):
            record.msg, record.args = f"{where} {text}", ()
        return True
