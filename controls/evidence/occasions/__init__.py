"""On which occasions a control had to act, and whether it did: counted from leaves alone, call by call."""
