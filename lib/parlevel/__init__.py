"""parlevel: sales history in, tomorrow's orders out, on Spark."""

__version__ = "0.1.0"
