"""A careful reader: says in neutral facts what a recorded exchange holds. It knows nothing of the product."""
