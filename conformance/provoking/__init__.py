"""Scenarios: what is done to an implementation, once; each module has `act(context)`."""
