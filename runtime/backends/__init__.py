"""One backend per module, found by scanning this folder; ``base`` says what each must offer."""
