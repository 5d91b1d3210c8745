"""What a board would need for a file; ``estimate`` is read first. ``boards`` imports nothing."""
