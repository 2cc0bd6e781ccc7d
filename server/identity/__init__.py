"""Who asks, and what that gives: keys, tokens, revocations, access rules."""
