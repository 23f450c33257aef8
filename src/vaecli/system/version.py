"""The version of vaecli."""

__version__ = "0.1.0"
