"""The demonstration behind ``make demo``: export with and without merging, run both, compare."""
