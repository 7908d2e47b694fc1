"""Errors that end a command with a message of one line."""

from __future__ import annotations


class UsageError(Exception):
    """Bad usage or bad input (exit code 2): one line naming the file, the key and the fix."""
