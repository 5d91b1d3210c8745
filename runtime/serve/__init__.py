"""The live result in a browser, for boards without a display."""
