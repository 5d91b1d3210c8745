"""Helpers without knowledge of segmentation: files, registries, tables, progress."""
