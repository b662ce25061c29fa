"""Servicers: a message in, a call, a message out."""
