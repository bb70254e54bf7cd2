"""Series, tables whose rows are moments: `clock` reads the times, `series` the table; `naive` has the baselines."""
