"""The cases, by what is hurt."""
