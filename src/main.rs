//! Hands the arguments to `cli`.

// Less memory for each connection and session than the system's, and no calls into the kernel in between.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    entrada::cli::main()
}
