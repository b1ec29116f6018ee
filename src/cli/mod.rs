//! The subcommands of the `minxin` binary.
