"""Everything that takes a GPU: the kernels' tests and times, alone and inside of the network."""
