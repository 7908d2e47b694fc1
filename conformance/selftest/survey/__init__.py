"""A survey of what the suite judges: recordings of sound implementations with one thing altered, and who notices."""
