"""A student written as its teacher lay: the same file with other numbers in the network's place."""
