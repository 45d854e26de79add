"""The pages that people look at, over the same store and by the same table of endpoints as the protocol."""
