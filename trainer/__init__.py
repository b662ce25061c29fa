"""Builds data sets, trains, evaluates and publishes versions of the model."""
