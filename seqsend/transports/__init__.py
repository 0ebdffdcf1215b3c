"""Bytes to an endpoint and back within a deadline. Foreign exceptions end here."""
