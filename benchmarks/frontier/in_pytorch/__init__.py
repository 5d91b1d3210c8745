"""What cannot be exported, or is inside of a network: scored in PyTorch."""
