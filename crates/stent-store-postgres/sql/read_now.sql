-- The database's time.
SELECT stent.now_us()
