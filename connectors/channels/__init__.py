"""Ways to bring a notice to a platform, one file each; see :mod:`connectors.channels.channel`."""
