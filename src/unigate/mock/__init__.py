"""The scripted upstream: a stand-in for every provider that does exactly what a model's name tells it to."""
