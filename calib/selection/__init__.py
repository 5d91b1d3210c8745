"""Which products become INT8: what each costs, what it gains, and what the user allows to lose."""
