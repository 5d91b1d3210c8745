"""What a network is given before it learns: auxiliary heads, and a policy, which learns alone."""
