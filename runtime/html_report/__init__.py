"""Reports as one HTML file that opens anywhere: no script, no network, pictures inside."""
