"""What makes TIFFs many kinds of files: pages that are planes, packed segments, no tifffile."""
