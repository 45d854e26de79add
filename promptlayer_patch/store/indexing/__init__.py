"""What makes requests findable: their words, facets, rollups and suggestions, kept by whoever reads."""
