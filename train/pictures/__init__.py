"""Pictures to learn from and to choose by: found, split, read, varied, put into batches."""
