"""Pictures to calibrate on, to choose by and to judge by: found, told apart, and run."""
