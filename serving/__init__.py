"""Serving: the production configuration of TensorFlow Serving, and its embedded stand-in."""
