-- A number that changes when another connection commits; not by commits of this one.
PRAGMA data_version
