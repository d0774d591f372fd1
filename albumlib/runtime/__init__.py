"""What any wing may use: progress bars, worker processes, random numbers, paths, the check of an
installation. Imports only `albumlib.features` and the standard library of the field.
"""
