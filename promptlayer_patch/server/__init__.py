"""A server that speaks PromptLayer's protocol over the local store."""
