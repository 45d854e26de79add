"""Following one OpenAI call on its caller's thread, from the wrapper around it to its ending."""
