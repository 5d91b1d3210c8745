"""Weights files of any network: read without running code from them."""
