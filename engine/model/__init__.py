"""Vocabulary of auxtui: states, errors and values. Imports nothing of the rest of the engine."""
