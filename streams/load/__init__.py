"""How much this machine bears: listings sent on a schedule through the whole path, and what came of each."""
