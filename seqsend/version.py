"""The version, in a module that the package and its transports can both import."""

__version__ = "0.2.0"
