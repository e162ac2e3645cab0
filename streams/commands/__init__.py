"""What the commands of `userprism` do, apart from reading their options: one module a subject."""
