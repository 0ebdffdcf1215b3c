"""Outcomes → plain text and JSON."""
