"""Weights trained anew: what a reduction costs, won back by distilling; ``pipeline`` is first."""
