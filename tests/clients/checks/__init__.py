"""The checks with real clients: see ../run.py."""
