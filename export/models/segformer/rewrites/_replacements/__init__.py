"""The modules that rewrites put into a network; they import torch, and the rewrites do not."""
