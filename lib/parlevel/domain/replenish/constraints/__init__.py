"""What several items share when they are ordered."""
