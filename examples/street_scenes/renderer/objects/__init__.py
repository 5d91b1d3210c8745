"""What stands and moves in a street, each drawn through the stage."""
