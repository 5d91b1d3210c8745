"""Token reductions: one method per module, found by scanning this folder."""
