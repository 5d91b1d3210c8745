"""How methods compare tokens, and what that says of which merge."""
