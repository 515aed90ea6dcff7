-- The machine's start as it was recorded last. Primary key.
SELECT boot_id, booted_at
FROM boot
WHERE id = 1
