"""Labelled pictures as they lie on disks: which files belong together, and what their numbers mean.

    layouts      data sets known by the structure of their folders
    files        what lies in a folder, or fits a pattern
    listing      names in a file
    pairs        pictures and labels of one name
    labels       numbers of a label file, as they are stored
    label_maps   numbers of data sets to those of the networks trained on them

Evaluation, calibration and training read through here, so that a folder which one takes, all take.
"""
