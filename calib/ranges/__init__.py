"""What activations a network has on pictures: collected once, kept in a file, used by every writer.
"""
