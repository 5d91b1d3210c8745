"""Pictures to look at, drawn with numpy and Pillow alone: what a board has."""
