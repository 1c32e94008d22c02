"""Pictures of results: bull's-eyes, montages and the report page."""
