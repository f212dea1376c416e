"""Tests of the lake, on a real S3 server."""
