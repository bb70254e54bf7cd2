"""Text for language models: `read` a file, `tokens` it is divided into, `windows` that a model is trained on."""
