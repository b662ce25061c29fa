"""What gateway and trainer share to be watched by: traces, and the page of metrics. Knows nothing of either."""
