"""What families share and nobody else needs: how blocks are counted, changed and loaded."""
