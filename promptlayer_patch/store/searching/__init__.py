"""From a query to pages of requests, by way of the inverted index."""
