"""One table of patch points for each instrumented library."""
