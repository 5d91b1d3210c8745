"""Films: what is one, the part that is wanted, frames, sound, and films that are made."""
