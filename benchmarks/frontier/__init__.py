"""Accuracy against cost of every place where a SegFormer can be made cheaper, and combinations.

One list of settings, and a script each for what they cost untrained, after a distillation without
labels, and in time; a fourth draws all of it.
"""
