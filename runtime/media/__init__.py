"""Images, folders and videos in; masks and overlays out."""
