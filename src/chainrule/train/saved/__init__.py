"""Files that hold a model whole, and what is read from them."""
