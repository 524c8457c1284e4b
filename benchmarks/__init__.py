"""Figures, one command each; see the Makefile."""
