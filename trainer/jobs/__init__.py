"""Retraining as jobs: their queue, their records, and the processes that do the work."""
