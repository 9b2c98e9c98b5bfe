"""What a stage of a plan does."""
