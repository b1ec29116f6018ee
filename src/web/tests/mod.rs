//! Tests of the whole router against a real Postgres.
