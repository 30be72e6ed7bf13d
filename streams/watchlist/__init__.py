"""The watchlist as people keep it: entries on a compacted topic that every worker follows."""
