"""Loops in captured functions: a body that is captured once, and run once per step by a plan inside the plan."""
