"""The tasks, a folder each; ``task.py`` and ``config.py`` beside them say what a task is."""
