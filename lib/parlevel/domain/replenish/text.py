"""Reasons in words that a planner can check against the shelf."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from parlevel.domain.replenish.base import Bools, Floats, Ints, Terms
from parlevel.domain.replenish.ledger import Facts
from parlevel.domain.replenish.lines import Lines
from parlevel.domain.replenish.rounding import least, orderable

_PLURAL = {"day": "days", "week": "weeks", "month": "months"}


@dataclass(frozen=True)
class Wording:
    """What one group's reasons are made from.

    Attributes:
        facts: of the final plan.
        terms: of the items.
        alone: (n,) units that the item would order at step 0 without shared resources.
        shared: (n,) why the order differs from that, in words; empty where it does not.
        period: "day", "week" or "month".
        closing: (n,) the maximum stock is what the item can still sell before its season ends; None: of no item.
    """

    facts: Facts
    terms: Terms
    alone: np.ndarray
    shared: list[str]
    period: str
    closing: Bools | None = None

    # asked for item by item: worked out once for all
    @cached_property
    def smallest(self) -> Floats:
        """(n,) units of the smallest order."""
        return least(self.terms) * self.terms.case_pack

    @cached_property
    def interval(self) -> Ints:
        """(n,) periods that the next order protects."""
        return self.terms.protection_interval

    @cached_property
    def fits(self) -> Bools:
        """(n,) whether any order stays below the maximum stock."""
        return orderable(self.facts.position[:, 0], self.terms)

    @cached_property
    def open_now(self) -> Bools:
        """(n,) whether an order can be placed at step 0."""
        return self.terms.open(np.zeros((len(self.interval), 1), np.int64))[:, 0]

    @cached_property
    def next_open(self) -> Ints:
        """(n,) periods until the next step that takes orders."""
        return self.terms.next_open()

    def maximum(self, item: int) -> str:
        """What the item's maximum stock is, in words."""
        top = number(float(self.terms.max_stock[item]))
        over = self.closing is not None and self.closing[item]
        return f"stock of {top} that can still be sold before the season ends" if over else f"maximum stock of {top}"


def number(value: float) -> str:
    """A quantity without needless digits.

    >>> number(24.0), number(0.25), number(1234.5)
    ('24', '0.25', '1,234.5')
    """
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def numbers(values: Floats) -> list[str]:
    """(m,) quantities without needless digits; see `number`."""
    return [number(x) for x in values.tolist()]


def percent(share: float) -> str:
    """A probability as a whole per cent, without pretending certainty.

    >>> percent(0.999), percent(0.5), percent(1.0)
    ('>99 %', '50 %', '>99 %')
    """
    if share > 0.99:
        return ">99 %"
    return "<1 %" if share < 0.01 else f"{100 * share:.0f} %"


def first_order(words: Wording, item: int, quantity: float, ahead: str = "") -> str:
    """Why `quantity` is ordered at step 0, or nothing.

    Args:
        words: of the group.
        item: position in the group.
        quantity: units.
        ahead: when the next order is foreseen, in words; said where nothing is ordered now.
    """
    facts, terms = words.facts, words.terms
    position = facts.position[item, 0]
    whole = int(words.interval[item])
    cover = min(facts.cover[item], facts.stock_mean.shape[1])
    periods = _PLURAL[words.period]
    lasts = "no demand is expected" if facts.protection_demand[item, 0] <= 0 else _lasts(cover, whole, periods)
    have = f"Stock and open orders of {number(position)}: {lasts}"
    with_order, without = 1.0 - facts.risk[item, 0], 1.0 - facts.risk_without[item]
    missed = round(float(facts.missed[item]))
    late = f" About {number(missed)} will be missing before an order can arrive." if missed >= 1 else ""
    if quantity <= 0:
        return f"{have}. {_nothing(words, item, without)}{ahead}{late}"
    cases = quantity / terms.case_pack[item]
    packed = "" if terms.case_pack[item] == 1 else f" ({_cases(cases)} of {number(terms.case_pack[item])})"
    lift = (
        f"lift the chance of no stockout from {percent(without)} to {percent(with_order)}"
        if percent(without) != percent(with_order)
        else f"keep the chance of no stockout at {percent(with_order)} beyond the next receipt"
    )
    from_then = " from then on" if late else ""
    return f"{have}; {number(quantity)}{packed} {lift}{from_then}.{late}{_limits(words, item, quantity)}"


def reasons(words: Wording, found: Lines) -> list[str]:
    """(m,) why each line is what it is."""
    out = [""] * len(found.item)
    today = np.flatnonzero(found.step == 0)
    later = np.flatnonzero(found.step > 0)
    ahead = _ahead(words, found, later)
    each = zip(today.tolist(), found.item[today].tolist(), found.quantity[today].tolist(), strict=True)
    for line, item, quantity in each:
        out[line] = first_order(words, item, quantity, ahead[item])
    item, pack = found.item[later], words.terms.case_pack[found.item[later]]
    cases = (found.quantity[later] / pack).tolist()
    risk = (1.0 - words.facts.risk[item, found.step[later]]).tolist()
    for line, count, size, chance in zip(later.tolist(), cases, numbers(pack), risk, strict=True):
        out[line] = (
            f"Foreseen ({_cases(count)} of {size}), decided again at that review; as seen today "
            f"the chance of no stockout until the receipt after it is {percent(chance)}."
        )
    return out


def _ahead(words: Wording, found: Lines, later: Ints) -> list[str]:
    """(n,) when an item's next order is foreseen; empty where the plan is of today's orders alone."""
    n, horizon = words.facts.position.shape
    if not len(later):
        return [""] * n
    step = np.full(n, horizon)
    np.minimum.at(step, found.item[later], found.step[later])
    one, many = words.period, _PLURAL[words.period]
    said = [f" The next order is foreseen in {k} {one if k == 1 else many}." for k in range(horizon)]
    said.append(f" None is foreseen in the next {horizon} {many}.")
    return [said[k] for k in step.tolist()]


def sentences(why: list[str], held: list[str], found: Lines, drivers: list[list[str] | None]) -> list[str]:
    """(m,) each line's reason with what it protects against and what a case more or less would cost.

    Args:
        why: from `reasons`.
        held: the constraint that binds, in words; empty where none does.
        found: the lines.
        drivers: what moves the forecast most; None where nothing says.
    """
    low, middle, high = (numbers(np.round(found.demand[:, k], 1)) for k in (0, 2, 4))
    more, less = _costs(found.more, found.can_more), _costs(found.less, found.can_less)
    out = []
    for k, reason in enumerate(why):
        text = (
            f"{reason} Demand until an order placed at the next review can arrive: {middle[k]} "
            f"({low[k]} to {high[k]} in 9 of 10 cases)."
        )  # fmt: skip
        if held[k] and held[k] not in reason:
            text += f" Held by {held[k]}."
        if more[k]:
            text += f" One case more would {more[k]}"
            text += f", one case less would {less[k]}." if less[k] else "."
        elif less[k]:
            text += f" One case less would {less[k]}."
        moved = drivers[k]
        out.append(f"{text} The forecast is moved by {', '.join(moved)}." if moved else text)
    return out


def _costs(money: Floats, told: Bools) -> list[str]:
    """(m,) what money is, as a cost or a saving; empty where it is not told."""
    amounts = numbers(np.where(told, np.abs(money), 0.0))
    verbs = np.where(told, np.where(np.abs(money) < 0.005, 1, np.where(money > 0, 2, 3)), 0).tolist()
    said = ("", "change nothing", "cost ", "save ")
    return [said[verb] + amount if verb > 1 else said[verb] for verb, amount in zip(verbs, amounts, strict=True)]


def _lasts(cover: float, whole: int, periods: str) -> str:
    if cover >= whole:
        return f"enough for {number(round(float(cover), 1))} {periods} (the next order protects {whole})"
    return f"they cover {number(round(float(cover), 1))} of {whole} {periods}"


def _cases(cases: float) -> str:
    return f"{number(cases)} case{'' if cases == 1 else 's'}"


def _nothing(words: Wording, item: int, without: float) -> str:
    """Why nothing is ordered."""
    facts, terms, periods = words.facts, words.terms, _PLURAL[words.period]
    if not words.open_now[item]:
        frozen = int(terms.frozen[item]) if len(terms.frozen) else 0
        why = f"orders of the first {frozen} {periods} are fixed" if frozen else "the supplier takes no orders that day"
        return f"No order can be placed: {why}; the next can be in {int(words.next_open[item])} {periods}."
    if words.alone[item] > 0:
        return f"No order instead of {number(words.alone[item])}: {words.shared[item] or 'shared limits'}."
    if not words.fits[item]:
        smallest = number(float(words.smallest[item]))
        return f"No order fits: the smallest of {smallest} would pass the {words.maximum(item)}."
    if facts.protection_demand[item, 0] <= 0:
        return "No order."
    wait = "no order is needed" if without >= 0.9 else "an order now would cost more than it saves"
    return f"The chance of no stockout is {percent(without)} without an order; {wait}."


def _limits(words: Wording, item: int, quantity: float) -> str:
    """What held the order up or down."""
    terms, alone = words.terms, words.alone[item]
    parts = []
    if words.shared[item] and quantity != alone:
        verb = "Raised" if quantity > alone else "Cut"
        parts.append(f"{verb} from {number(alone)} to {number(quantity)}: {words.shared[item]}.")
    if quantity == words.smallest[item] and terms.min_order_qty[item] > terms.case_pack[item]:
        parts.append(f"This is the minimum order of {number(terms.min_order_qty[item])}.")
    top = terms.max_stock[item]
    if not np.isnan(top) and words.facts.position[item, 0] + quantity > top - terms.case_pack[item]:
        parts.append(f"The {words.maximum(item)} allows no more.")
    return "".join(f" {part}" for part in parts)
