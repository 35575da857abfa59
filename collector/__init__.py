"""HTTP requests from trackers in, raw payloads on the bus; 200 only once they are durable.

Reading order: `app` (routes), `tracking` (one request, step by step), `tracker_request`, `publish` (group commit),
`size_limits`; `connection` and `main` are the server around them.
"""
