"""Policies in the suite's own terms, and the model that says what they mean; adapters translate them."""
