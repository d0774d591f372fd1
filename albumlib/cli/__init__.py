"""The commands, by what they are about; `albumlib.__main__` puts them together."""
