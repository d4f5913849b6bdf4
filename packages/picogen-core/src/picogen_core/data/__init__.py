FORMAT = 3
"""Version of preparation and split: raise it when prepared pieces or their split change.

`report.json` and the names of caches contain it, so that cached data of another version are made
anew. Prepared data of any version are read."""
