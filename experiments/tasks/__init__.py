"""The paper's tasks, one module each; a module's ``TASK`` is its class."""
