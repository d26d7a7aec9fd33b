"""Other algorithms for the formula's result, and what chooses between them."""
