"""Folders for servers and pipelines of others: Triton, DeepStream, Isaac ROS; one writer each."""
