"""The analysts' views of orders, of the stock they lead to and of what they cost."""

from __future__ import annotations

from parlevel.report.view import View

STOCK_PROJECTION = View(
    "stock_projection",
    "the stock of one series that the plan leads to, one future period",
    """SELECT p.series_id, f.date, f.step, p.receipts, p.stock_mean, p.stock_low, p.stock_high, p.lost_mean
FROM (
  SELECT series_id, unnest(receipts) AS receipts, unnest(stock_mean) AS stock_mean, unnest(stock_low) AS stock_low,
         unnest(stock_high) AS stock_high, unnest(lost_mean) AS lost_mean,
         generate_subscripts(stock_mean, 1) AS step
  FROM {projection}
) p
JOIN {forecast} f ON f.series_id = p.series_id AND f.step = p.step""",
    spark="""SELECT p.series_id, f.date, f.step, p.receipts, p.stock_mean, p.stock_low, p.stock_high, p.lost_mean
FROM (
  SELECT series_id, at + 1 AS step, q.receipts, q.stock_mean, q.stock_low, q.stock_high, q.lost_mean
  FROM {projection}
  LATERAL VIEW posexplode(arrays_zip(receipts, stock_mean, stock_low, stock_high, lost_mean)) exploded AS at, q
) p
JOIN {forecast} f ON f.series_id = p.series_id AND f.step = p.step""",
)

ORDERS_TODAY = View(
    "orders_today",
    "an order line to place on the plan's first order date; what supply_terms say is null for nodes",
    """SELECT o.series_id, o.product_id, p.name, p.category, o.location_id, o.supplier_id, o.order_date, o.order_qty,
       o.order_qty / t.case_pack AS cases, t.case_pack, t.unit_cost, o.order_value, o.receipt_date, t.lead_time,
       o.inventory_position, o.order_up_to_level, o.safety_stock, o.protection_demand, o.stockout_probability,
       o.reason, o.policy, o.assumed
FROM {order_plan} o
LEFT JOIN {supply_terms} t ON t.series_id = o.series_id
LEFT JOIN {products} p ON p.product_id = o.product_id
WHERE o.order_qty > 0 AND o.order_date = (SELECT min(order_date) FROM {order_plan})""",
)

ORDERS_BY_SUPPLIER = View(
    "orders_by_supplier",
    "what one supplier gets ordered for one location on one date",
    """SELECT o.supplier_id, o.location_id, o.order_date, count(*) AS lines, sum(o.order_qty) AS units,
       sum(o.order_value) AS order_value, min(o.receipt_date) AS first_receipt, max(r.status) AS solve_status,
       max(r.gap) AS solve_gap
FROM {order_plan} o
LEFT JOIN {plan_report} r ON r.supplier_id = o.supplier_id AND r.location_id = o.location_id
WHERE o.order_qty > 0
GROUP BY o.supplier_id, o.location_id, o.order_date""",
)

ORDERS_EXPLAINED = View(
    "orders_explained",
    "an order line, or the decision not to order, with what explains it; today's and the foreseen ones",
    """SELECT l.series_id, p.name, l.location_id, l.supplier_id, l.order_date, l.order_qty, l.sentence,
       l.inventory_position, l.safety_stock, l.stockout_without, l.stockout_probability, l.stockout_avoided,
       l.binding, l.shadow_price, l.cost_one_more, l.cost_one_less, l.levels, l.protection_quantiles, l.drivers
FROM {order_ledger} l
LEFT JOIN {products} p ON p.product_id = l.product_id""",
)

SHIPMENTS_TODAY = View(
    "shipments_today",
    "what leaves one place for another tomorrow: what warehouses send of the orders, and transfers",
    """SELECT s.kind, s.source_id, s.target_id, s.product_id, p.name, p.category, s.series_id, s.ship_date,
       s.receipt_date, s.asked, s.sent, s.asked - s.sent AS missed, s.cost, s.saving, s.reason
FROM {shipments} s
LEFT JOIN {products} p ON p.product_id = s.product_id""",
)

STOCKOUT_RISK = View(
    "stockout_risk",
    "a series that may run out before the next order could arrive, riskiest money first in expected_lost_value",
    """SELECT o.series_id, p.name, p.category, o.location_id, o.supplier_id, i.on_hand, o.inventory_position,
       o.order_qty, o.receipt_date, o.protection_demand, o.stockout_probability, t.target,
       ARRAY_SUM(j.lost_mean, t.lead_time + t.review_period) AS expected_lost_units,
       ARRAY_SUM(j.lost_mean, t.lead_time + t.review_period) * coalesce(t.backorder_cost, t.shortage_cost)
         AS expected_lost_value, o.reason
FROM {order_plan} o
JOIN {supply_terms} t ON t.series_id = o.series_id
JOIN {inventory} i ON i.series_id = o.series_id
LEFT JOIN {projection} j ON j.series_id = o.series_id
LEFT JOIN {products} p ON p.product_id = o.product_id
WHERE o.order_date = (SELECT min(order_date) FROM {order_plan}) AND (o.stockout_probability > 1 - t.target
  OR ARRAY_SUM(j.lost_mean, t.lead_time + t.review_period) > (1 - t.target) * o.protection_demand)""",
)

POLICY_COSTS = View(
    "policy_costs",
    "what one policy would have cost in one segment, added up over the simulated cutoffs",
    """SELECT policy, segment, count(*) AS cutoffs, max(n_series) AS n_series, max(n_periods) AS n_periods,
       sum(demand) AS demand, sum(fill_rate * demand) / nullif(sum(demand), 0) AS fill_rate,
       avg(stockout_rate) AS stockout_rate, avg(turnover) AS turnover, avg(days_of_supply) AS days_of_supply,
       avg(replenishment_accuracy) AS replenishment_accuracy, avg(nervousness) AS nervousness,
       avg(stock_value) AS stock_value,
       CAST(sum(orders) AS BIGINT) AS orders, sum(holding_cost) AS holding_cost, sum(shortage_cost) AS shortage_cost,
       sum(order_cost) AS order_cost,
       sum(leftover_cost) AS leftover_cost, sum(total_cost) AS total_cost
FROM {inventory_kpi}
GROUP BY policy, segment""",
)

SERVICE_REACHED = View(
    "service_reached",
    "service asked for and reached in one segment, by a policy that orders up to each series' target",
    """SELECT policy, measure, segment, n_series, n_cycles, target, realised, points, noise,
       abs(points) <= 1 AS within_a_point
FROM {service}""",
)

BOUGHT_TOGETHER = View(
    "bought_together",
    "a product bought with another, or in its place, at one location, with what is ordered of both first",
    """SELECT r.kind, r.rank, a.series_id, p.name, b.series_id AS other_series, q.name AS other_name, a.location_id,
       r.together, r.support, r.confidence, r.lift, o.order_qty, w.order_qty AS other_order_qty,
       o.stockout_probability, w.stockout_probability AS other_stockout_probability
FROM {recommendations} r
JOIN {series_profile} a ON a.product_id = r.product_id
JOIN {series_profile} b ON b.product_id = r.other_id AND b.location_id = a.location_id
JOIN {order_plan} o ON o.series_id = a.series_id
JOIN {order_plan} w ON w.series_id = b.series_id AND w.order_date = o.order_date
LEFT JOIN {products} p ON p.product_id = r.product_id
LEFT JOIN {products} q ON q.product_id = r.other_id
WHERE o.order_date = (SELECT min(order_date) FROM {order_plan})""",
)
