"""Sessions: images in, masks out, over whatever backend runs the file."""
