"""Measures what a call through Unigate costs, beside nginx and peers on the same machine in the same minutes."""
