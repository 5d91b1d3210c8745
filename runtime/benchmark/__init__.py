"""How long networks take, side by side, on this machine."""
