"""Personal data out, before every sink: what is looked for, where it was found, what stands in its place."""
