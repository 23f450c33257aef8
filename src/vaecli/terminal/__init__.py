"""What a person types and sees: options, progress, messages, exit statuses.

Only this room and `commands` know typer and rich."""
