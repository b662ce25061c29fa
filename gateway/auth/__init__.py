"""Who calls, and what they may do. Knows nothing of gRPC's servicers."""
