"""What speaks for a verdict besides its number."""
