-- Records that migration $1 was applied, whose text is $2.
INSERT INTO stent.migrations (number, digest) VALUES ($1, sha256(convert_to($2, 'UTF8')))
