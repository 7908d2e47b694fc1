"""The run: what was wished for, the recordings it needs, pytest that judges them, and the reports it leaves."""
