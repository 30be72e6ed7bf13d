"""What the AT Protocol's source, channel and probe share; put together in connectors.platforms.atproto."""
