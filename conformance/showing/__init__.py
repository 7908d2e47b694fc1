"""Recordings for people: what lies beside a report, and the trace of one recording as text and as a picture."""
