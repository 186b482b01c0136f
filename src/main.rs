//! Hands the arguments to `cli`.

// Uses less memory per connection and session than the system allocator, without system calls.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    entrada::cli::main()
}
