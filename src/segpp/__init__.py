"""segpp: trained segmentation transformers, made cheaper and put on edge devices."""

__all__ = ["__version__"]

__version__ = "0.1.0"
