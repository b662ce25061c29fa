"""Servicers: message in, call, message out."""
