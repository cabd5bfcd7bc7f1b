# %% [markdown]
# # A look at the plan
#
# Reads the tables that a run published: no Spark, no Java. Run the cells in an editor that knows `# %%`, or all:
# `.venv/bin/python notebooks/01_look_at_the_plan.py`. PARLEVEL_WAREHOUSE names the tables' folder, else `warehouse`.

# %%
import os

from parlevel.report.warehouse import open_warehouse

sql = open_warehouse(os.environ.get("PARLEVEL_WAREHOUSE", "warehouse"))  # tables and views show the newest run

# %% [markdown]
# The newest run, what each stage did, and whose output stands for it.

# %%
stages = sql.ask(
    "select stage, status, output_run_id, round(seconds, 1) s, note from run_log where run_id = ? order by started_at",
    [sql.run_id],
)
print(f"run {sql.run_id}")
print(stages.to_pandas().to_string(index=False))

# %% [markdown]
# What to order next, the most expensive lines first.

# %%
orders = sql.ask(
    """
    select order_date, supplier_id, series_id, order_qty, round(order_value, 2) order_value, receipt_date, reason
    from order_plan where order_qty > 0 order by order_date, order_value desc limit 15
    """
)
print(orders.to_pandas().to_string(index=False))

# %% [markdown]
# The suppliers' solves: cost of the plan, bound, and what gave way.

# %%
solves = sql.ask(
    """
    select solve_group, n_items, status, round(objective, 2) objective, round(bound, 2) bound,
           round(100 * gap, 2) gap_percent, relaxed
    from plan_report order by objective desc nulls last limit 10
    """
)
print(solves.to_pandas().to_string(index=False))

# %% [markdown]
# The plan's worth: what each policy would have cost after a past cutoff.

# %%
worth = sql.ask(
    """
    select policy, cutoff, round(fill_rate, 4) fill_rate, round(stockout_rate, 4) stockout_rate,
           round(days_of_supply, 1) days_of_supply, round(total_cost, 0) total_cost
    from inventory_kpi where segment = 'all' order by cutoff, total_cost
    """
)
print(worth.to_pandas().to_string(index=False))

# %% [markdown]
# How good the forecasts were on the folds that were held back.

# %%
accuracy = sql.ask(
    """
    select model, metric, round(value, 4) as value, n from accuracy
    where segment = 'all' and metric in ('wape', 'mase', 'rmsse', 'bias', 'wql') order by metric, value
    """
)
print(accuracy.to_pandas().to_string(index=False))
