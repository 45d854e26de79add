"""The prompt registry in a store: templates, versions, release labels."""
