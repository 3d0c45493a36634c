"""Sets of people's opinions of pictures, and how well metrics agree with them: the parts of `benchmarks.people`."""
