"""How weights change: losses, steps, checks, and how a training goes on."""
