"""Draws one street scene and its label map: camera, canvas, colors, labels, sensor."""
