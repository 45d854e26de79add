"""The prompt registry: templates as PromptLayer keeps them, their rendering, and the copies kept here."""
