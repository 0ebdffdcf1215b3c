"""The version, where both the package and its transports find it."""

__version__ = "0.2.0"
