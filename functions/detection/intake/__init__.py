"""What is let in: rate limit, load shedding, the model and the policy in force."""
