//! Mounts of one's own: disks that are full or read-only, and homes that are not there.

/// What `unshare` is told. Root needs no users of its own for that, and in a chroot nobody may have them.
pub fn own_mounts() -> &'static [&'static str] {
    match rustix::process::geteuid().is_root() {
        true => &["--mount"],
        false => &["--mount", "--map-root-user"],
    }
}
