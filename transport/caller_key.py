"""Where the gateway tells the trainer who calls."""

CALLER_KEY = "x-caller"
"""Metadata key of the caller's name; what callers themselves send under it goes no further than the gateway."""
