use super::prompt::restore_terminal;
use crate::port::Cancellation;
use std::io;

/// Turns SIGINT, SIGTERM and SIGHUP into the wish that the run ends, and a second signal into the wish that it ends at
/// once. Where nobody hears that, and at a third one, the process ends with the exit code 128 + the signal's number. A signal that the process was started to ignore (`nohup`) stays ignored.
///
/// # Errors
/// When the operating system takes no handler.
///
/// # Panics
/// Outside of a tokio runtime.
#[cfg(unix)]
pub fn cancel_on_signals(cancellation: &Cancellation) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let ignored = ignored_signals();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let number = kind.as_raw_value();
        if ignored & (1 << (number - 1)) != 0 {
            continue;
        }
        let mut signals = signal(kind)?;
        let cancellation = cancellation.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                end_or_cancel(&cancellation, number);
            }
        });
    }
    Ok(())
}

/// Turns Ctrl-C into the wish that the run ends, and a second one into the wish that it ends at once. Where nobody hears
/// that, and at a third one, the process ends with the exit code 130.
///
/// # Errors
/// Never.
///
/// # Panics
/// Outside of a tokio runtime.
#[cfg(not(unix))]
pub fn cancel_on_signals(cancellation: &Cancellation) -> io::Result<()> {
    const SIGINT: i32 = 2;
    let cancellation = cancellation.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            end_or_cancel(&cancellation, SIGINT);
        }
    });
    Ok(())
}

fn end_or_cancel(cancellation: &Cancellation, signal: i32) {
    if cancellation.signal().is_some() {
        restore_terminal();
        if !cancellation.insist() {
            std::process::exit(128 + signal);
        }
    }
    cancellation.cancel(signal);
}

/// The signals that the process ignores, one bit each, the lowest for signal 1. Known on Linux; elsewhere none.
#[cfg(unix)]
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
