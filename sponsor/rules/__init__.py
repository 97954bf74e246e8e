"""What a registry of trials asks of published results: pure."""
