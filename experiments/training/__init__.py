"""The loop that serves every task, and what it needs to stop and go on."""
