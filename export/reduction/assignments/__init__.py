"""What methods decide: which tokens become one, how they merge and come back."""
