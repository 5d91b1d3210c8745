"""One data set's layout per module, found by scanning; ``base`` says what each must offer."""
