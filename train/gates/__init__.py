"""Channel gates in a student: which channels are left out, and how the choice is learned."""
