"""The agent of a host: decides and claims; one supervisor process for each attempt runs it."""
