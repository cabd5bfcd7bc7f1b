"""Where data comes from: one adapter a file, each ending in the contract tables."""
