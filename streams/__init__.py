"""Everything that moves events: contract, profiles, storage, roles, and the command line."""
