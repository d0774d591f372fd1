"""How good generated covers are and how well they obey their labels, with references.
Imports `models`, `training` and what lies below.
"""
