"""The run: what was asked for, the recordings it needs, pytest that judges them, and the reports it leaves."""
