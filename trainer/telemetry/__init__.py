"""What the trainer tells of itself: metrics, and spans of traced jobs."""
