"""Suppliers behind OpenAI's protocol for load tests: recognition, language, speech; mocked or computing."""
