"""What a person types and sees: options, progress, messages, exit statuses.

Only this package and `commands` know typer and rich."""
