"""What proves a report: the manifest of what it was made from, the comparison with it, and the signed statement."""
