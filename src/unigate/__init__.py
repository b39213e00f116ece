"""One door to every language model: carry the call, bring the answer back unharmed, never lose the record."""

__version__ = "0.1.0"

__all__ = ["__version__"]
