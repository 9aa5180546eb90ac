"""Measured comparisons with other programs. Not part of the product."""
