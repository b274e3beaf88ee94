"""Live pairs: made from a driver's recipe, proved by facts, always torn down."""
