"""The report of a study: what it shows, and the page."""
