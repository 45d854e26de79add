"""The way of a finished call from its caller's thread to where it goes, and the account of all of them."""
