"""The networks, their losses, and the files that hold them. To understand the GAN read `networks`,
`losses` and `training.trainer`. Imports `features`, `runtime`, `sources`, `dataset`.
"""
