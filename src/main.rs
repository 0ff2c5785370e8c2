//! The program `runner`: all of it is in the library, so that tests can reach it.

fn main() {
    std::process::exit(runner::cli::run());
}
