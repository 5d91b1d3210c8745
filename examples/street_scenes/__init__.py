"""Street scenes drawn from a seed, each with its label map."""
