-- Records the machine's start.
INSERT INTO boot (id, boot_id, booted_at)
VALUES (1, ?1, ?2)
ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id, booted_at = excluded.booted_at
