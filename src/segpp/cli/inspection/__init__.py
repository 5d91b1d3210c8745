"""What a file is, one kind of file per module."""
