"""What a plan means and what explains its lines, from one course of the plan along each item's demand paths."""

from __future__ import annotations

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.batch import Batch, to_opportunities
from parlevel.domain.replenish.course import course
from parlevel.domain.replenish.ledger import FactBook, Facts
from parlevel.domain.replenish.lines import LineBook, Lines


def explain(batch: Batch, units: Floats) -> tuple[Facts, Lines]:
    """Facts of a plan, and its lines.

    Args:
        batch: n items.
        units: (n, h) units ordered at each step.
    """
    book, listed = FactBook(batch, units), LineBook(batch, units)
    # chunk by chunk: the courses of a large group would take more memory than its models
    for number, (rows, model) in enumerate(zip(batch.rows, batch.models, strict=True)):
        run = course(model, to_opportunities(model, units[rows][None])[0])
        book.add(number, run)
        listed.add(number, run)
    return book.facts(), listed.lines
