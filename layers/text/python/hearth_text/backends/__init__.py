"""What runs a tensor program; each module imports exactly one runtime."""
