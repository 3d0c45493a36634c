"""Where the project's figures come from: one command for each file of results."""
