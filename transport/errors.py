"""What can go wrong with a port, without gRPC: whoever catches it may not have loaded that yet."""


class CannotListenError(OSError):
    """A port cannot be opened: as a rule somebody else has it."""
