"""For each chapter: what must be broken for each of its claims to become false."""
