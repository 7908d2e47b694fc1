"""Golden recordings: recordings that are kept with every verdict that they give, and judged again by unit tests."""
