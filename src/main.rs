//! Hands the arguments to `cli`.

fn main() -> std::process::ExitCode {
    entrada::cli::main()
}
