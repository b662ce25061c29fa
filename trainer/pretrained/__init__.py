"""Weights that others have fitted, and the network that holds them; README.md says where they come from."""
