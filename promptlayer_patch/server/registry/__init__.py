"""The endpoints of the prompt registry."""
