"""What gateway and trainer share to be watched by: logs, request ids, traces, metrics, audit lines."""
