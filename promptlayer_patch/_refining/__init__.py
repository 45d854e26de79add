"""From a record to the one that may leave: smaller, and without what must not be told."""
