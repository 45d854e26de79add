"""`promptlayer-patch demo`: real client calls, recorded, and shown as a table."""
