"""One label map per module, found by scanning; ``base`` says what each must offer."""
