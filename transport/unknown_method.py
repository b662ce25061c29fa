"""Calls for methods that are not here, of gateway and trainer alike."""

UNKNOWN_METHOD = "/other"
"""What they are called in metrics, traces and rights: their own names are the callers', and without end."""
