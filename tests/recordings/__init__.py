"""Recorded exchanges with real providers, and what a careful reader finds in each."""
