"""What the gateway tells of itself: metrics, and spans of traced calls."""
