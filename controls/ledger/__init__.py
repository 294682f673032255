"""The record: DSSE leaves in an RFC 6962 tree, durable before effect."""
