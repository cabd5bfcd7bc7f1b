"""What baskets and recommendations say about demand (maths only)."""
