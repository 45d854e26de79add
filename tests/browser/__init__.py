"""The dashboard in a real Chromium, as people use it and as hostile records would have it."""
