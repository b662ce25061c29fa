"""From a version on disk to the one that serving answers with, and back."""
