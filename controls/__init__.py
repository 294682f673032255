"""Decides and proves: rules, gate, ledger, evidence. No audio, no models, no web framework."""
