"""Options that several commands declare: what there is to choose, and what is read."""
