"""The plan of a street, its light, and what surrounds the road."""
