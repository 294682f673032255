"""Evidence made of the record: traces now; packets, coverage and OSCAL later."""
