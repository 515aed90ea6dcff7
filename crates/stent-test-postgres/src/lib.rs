//! Throwaway PostgreSQL clusters for tests, benchmarks and chores.
