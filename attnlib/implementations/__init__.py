"""Other ways to the result of the formula, and what chooses between them."""
