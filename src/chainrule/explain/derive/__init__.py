"""From a recording to verified steps: symbols, units, equations."""
