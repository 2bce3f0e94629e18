"""HTTP functions: application, problems, authorization, rate limits."""
