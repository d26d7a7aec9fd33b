"""Measurements of attnlib's speed and memory: they are for looking at, the tests assert none."""
