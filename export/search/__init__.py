"""What an export measures on images before there is a file."""
