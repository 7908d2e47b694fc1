"""Sandboxes: the recording server that forks one for each job, and what outlives them."""
