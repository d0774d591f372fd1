"""Comparisons over seeds and variants, whose results lie in `data/measured`. Imports `figures` and
what lies below.
"""
