-- By what this installation differs from every other.
SELECT id FROM stent.installation
