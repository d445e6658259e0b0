"""Parts of the documentation that are made from the code: settings, commands, checks, messages, pages of the repository."""
