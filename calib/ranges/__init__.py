"""What activations a network has on pictures: collected once, kept, used by every writer."""
