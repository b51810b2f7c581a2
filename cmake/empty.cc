// Nothing: an object library needs a source.
