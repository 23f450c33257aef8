"""The model card of an export: README.md, in Markdown with a head for the Hugging Face Hub."""
