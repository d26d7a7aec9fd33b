"""Attention over a sequence that several processes share, each of which holds some of its rows."""
