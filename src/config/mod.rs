//! The configuration file as valid types; errors name file, line and key.
