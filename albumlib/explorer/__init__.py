"""Sliders in front of a trained generator, in a notebook and as a page. Imports `studies` and what
lies below.
"""
