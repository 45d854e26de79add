"""The endpoints that count."""
