-- Keeps what a request did.
RELEASE request
