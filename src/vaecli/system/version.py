"""The version of vaecli."""

__version__ = "0.2.0"
