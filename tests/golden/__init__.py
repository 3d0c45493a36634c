"""Golden streams: files that every later version must decode to the same symbols."""
