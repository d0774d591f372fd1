"""What one does with a trained generator: covers for songs, latent space, videos, export.
Imports `evaluation` and what lies below.
"""
