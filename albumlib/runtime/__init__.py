"""What any wing may use: progress bars, worker processes, random numbers, paths, the check of an
installation. Imports only `albumlib.features` and the standard library of the field.
"""

# torch takes seeds below 2**63, and a training step's own seed is `seed * 1_000_003 + step`.
LARGEST_SEED = 9_000_000_000_000
