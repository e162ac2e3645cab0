"""The API, `/api/v1`: routes, who may call them and how often, and what they say of themselves."""
