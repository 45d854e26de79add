"""What becomes of records when processes die and endpoints misbehave, in every combination."""
