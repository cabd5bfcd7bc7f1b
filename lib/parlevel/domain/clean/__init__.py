"""From packed raw records to a demand history that models may learn from."""
