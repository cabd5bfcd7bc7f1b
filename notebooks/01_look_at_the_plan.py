# %% [markdown]
# # A look at the plan
#
# Reads the tables that a run published: no Spark, no Java. Run the cells in an editor that knows `# %%`, or all:
# `.venv/bin/python notebooks/01_look_at_the_plan.py`. PARLEVEL_WAREHOUSE names the tables' folder, else `warehouse`.

# %%
import os
from pathlib import Path

import duckdb
from deltalake import DeltaTable

warehouse = Path(os.environ.get("PARLEVEL_WAREHOUSE", "warehouse"))
sql = duckdb.connect()
for folder in sorted(path.parent for path in warehouse.glob("*/_delta_log")):
    sql.register(folder.name, DeltaTable(str(folder)).to_pyarrow_dataset())

# %% [markdown]
# The newest run, what each stage did, and whose output stands for it.

# %%
run = sql.execute("select run_id from runs order by started_at desc limit 1").fetchone()[0]
made_by = dict(sql.execute("select stage, output_run_id from runs where run_id = ?", [run]).fetchall())
stages = sql.execute(
    "select stage, status, round(seconds, 1) s, note from runs where run_id = ? order by started_at", [run]
)
print(f"run {run}")
print(stages.df().to_string(index=False))

# %% [markdown]
# What to order next, the most expensive lines first.

# %%
orders = sql.execute(
    """
    select order_date, supplier_id, series_id, order_qty, round(order_value, 2) order_value, receipt_date, reason
    from order_plan where run_id = ? and order_qty > 0 order by order_date, order_value desc limit 15
    """,
    [made_by["replenish"]],
)
print(orders.df().to_string(index=False))

# %% [markdown]
# The suppliers' solves: cost of the plan, bound, and what gave way.

# %%
solves = sql.execute(
    """
    select solve_group, n_items, status, round(objective, 2) objective, round(bound, 2) bound,
           round(100 * gap, 2) gap_percent, relaxed
    from plan_report where run_id = ? order by objective desc nulls last limit 10
    """,
    [made_by["replenish"]],
)
print(solves.df().to_string(index=False))

# %% [markdown]
# The plan's worth: what each policy would have cost after a past cutoff.

# %%
worth = sql.execute(
    """
    select policy, cutoff, round(fill_rate, 4) fill_rate, round(stockout_rate, 4) stockout_rate,
           round(days_of_supply, 1) days_of_supply, round(total_cost, 0) total_cost
    from inventory_kpi where run_id = ? and segment = 'all' order by cutoff, total_cost
    """,
    [made_by["evaluate"]],
)
print(worth.df().to_string(index=False))

# %% [markdown]
# How good the forecasts were on the folds that were held back.

# %%
accuracy = sql.execute(
    """
    select model, metric, round(value, 4) as value, n from accuracy
    where run_id = ? and segment = 'all' and metric in ('wape', 'mase', 'rmsse', 'bias', 'wql') order by metric, value
    """,
    [made_by["evaluate"]],
)
print(accuracy.df().to_string(index=False))
