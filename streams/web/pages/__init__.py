"""The pages: every word of theirs, how they write numbers, and one reader for all who look at the same thing."""
