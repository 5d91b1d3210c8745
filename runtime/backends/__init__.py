"""One engine library per module, found by scanning this folder."""
