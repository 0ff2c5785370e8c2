//! What the process does to itself before it holds any secret.

/// Forbids core dumps: they would hold every secret of the process. Where the machine does not allow that, it is passed
/// over, for a run is no less safe than before.
pub fn harden() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        let _ = setrlimit(Resource::Core, none);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::process::{Resource, getrlimit};

    #[test]
    fn a_hardened_process_dumps_no_core() {
        super::harden();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
    }
}
