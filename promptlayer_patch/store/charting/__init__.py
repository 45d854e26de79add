"""Figures over many requests: rollups that are kept, and charts that are made of them."""
