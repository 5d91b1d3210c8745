"""One way to show a result per module, found by scanning; ``base`` says what each must offer."""
