"""Inventory models of the textbooks as pure functions: oracles for the solvers, and closed forms where they suffice.

Letters of the books: K fixed_cost, h holding_cost, p stockout_cost (backorders, per unit and period), c unit_cost,
lambda demand_rate, mu / sigma demand_mean / demand_sd, L lead_time, Q order_quantity, r or s reorder_point,
S order_up_to_level. Source of the notation: Snyder & Shen (2019), "Fundamentals of Supply Chain Theory", 2nd ed.
"""
