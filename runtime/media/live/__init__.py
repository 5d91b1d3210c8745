"""Cameras and streams: sources that wait for nobody, so the newest frame wins."""
