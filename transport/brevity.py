"""Length of what a status may say: its message travels in headers, of which gRPC takes 8 KiB in all."""

_MAX_BYTES = 1024
"""The message goes out three times: as itself, where a byte beyond ASCII is three, and twice in the details."""


def brief(message: str) -> str:
    """Returns a message, cut where it is too long to arrive: it may hold what a caller sent."""
    encoded = message.encode(errors="replace")  # names of files may hold bytes that are no text
    if len(encoded) <= _MAX_BYTES:
        return encoded.decode()
    return encoded[: _MAX_BYTES - 3].decode(errors="ignore") + "…"
