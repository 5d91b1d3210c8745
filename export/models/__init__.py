"""Networks: one folder per family, found by scanning; what families share lies beside them."""
