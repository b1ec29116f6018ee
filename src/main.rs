//! The `minxin` binary.

fn main() -> std::process::ExitCode {
    minxin::cli::main()
}
