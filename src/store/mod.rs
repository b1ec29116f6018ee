//! Everything durable: the spool on disk, Postgres, and the only SQL of the project.
