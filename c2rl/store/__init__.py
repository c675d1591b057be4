"""Arrays and manifests on disk: complete or absent."""
