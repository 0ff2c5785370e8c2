//! Mounts of one's own: disks that are full or read-only, and homes that are not there.

use std::fs;

/// What `unshare` is told.
pub fn own_mounts() -> Vec<&'static str> {
    let mut flags = vec!["--mount"];
    // Root needs no users of its own for that, and in a chroot nobody may have them.
    if !rustix::process::geteuid().is_root() {
        flags.push("--map-root-user");
    }
    // Nor is the root of a chroot a mount that could be made private.
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("Linux tells its mounts");
    if !mounts.lines().any(|mount| mount.split(' ').nth(4) == Some("/")) {
        flags.extend(["--propagation", "unchanged"]);
    }
    flags
}
