"""Certificates run again: are the masks of a file here what they were where it was written?"""
