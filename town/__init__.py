"""The model town: small servers that behave as each platform's documentation says. Nobody imports it but tests."""
