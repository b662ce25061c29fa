"""Messages and stubs of the contract `braintumor.v1`, made from the proto files by `protos/generate.py`."""
