//! How the user pool slows down those who guess, as the guide of Amazon Cognito has it ("Lockout behavior for failed
//! sign-in attempts", which it calls subject to change).

/// From this failure on, the user is locked out: for one second, then for twice as long at each further one.
const FIRST_LOCK: u32 = 5;

/// The longest lock, in seconds, and the pause after which failures are forgotten: about fifteen minutes.
const LONGEST: i64 = 900;

/// The failed attempts of one user. Wrong codes are counted as wrong passwords are, and together with them: the guide
/// says that five of either begin the lock-out, and not whether they have one counter.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failures: u32,
    /// When somebody last tried, successfully or not.
    latest: i64,
    locked_until: i64,
}

impl Attempts {
    /// Whether an attempt at `now` is looked at. One that is not leaves the lock as long as it is.
    pub(super) fn admits(&mut self, now: i64) -> bool {
        if now - self.latest >= LONGEST {
            self.failures = 0;
        }
        self.latest = now;
        now >= self.locked_until
    }

    /// Counts a failure.
    pub(super) fn fail(&mut self, now: i64) {
        self.failures += 1;
        if let Some(doublings) = self.failures.checked_sub(FIRST_LOCK) {
            let lock = 1_i64.checked_shl(doublings).filter(|lock| (1..LONGEST).contains(lock));
            self.locked_until = now + lock.unwrap_or(LONGEST);
        }
    }

    /// Forgets the failures of a user who has signed in.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Attempts;

    /// The seconds that the user is locked out by each of so many failures, the first at `now`, each further one at the
    /// end of the lock before.
    fn locks(attempts: &mut Attempts, failures: usize, mut now: i64) -> Vec<i64> {
        let mut lock = || {
            assert!(attempts.admits(now));
            attempts.fail(now);
            let failed = now;
            while !attempts.admits(now) {
                now += 1;
            }
            now - failed
        };
        (0..failures).map(|_| lock()).collect()
    }

    #[test]
    fn the_fifth_failure_locks_for_a_second_and_each_further_one_for_twice_as_long() {
        let wanted = [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900];
        assert_eq!(locks(&mut Attempts::default(), 16, 5_000), wanted);
        let mut many = Attempts { failures: 200, latest: 5_000, ..Attempts::default() };
        assert_eq!(locks(&mut many, 1, 5_000), [900]);
    }

    #[test]
    fn success_or_fifteen_quiet_minutes_forgive() {
        let mut attempts = Attempts::default();
        let begins = [0, 0, 0, 0, 1];
        assert_eq!(locks(&mut attempts, 5, 5_000), begins);
        attempts.succeed();
        assert_eq!(locks(&mut attempts, 5, 5_001), begins);
        assert_eq!(locks(&mut attempts, 1, 5_002 + 899), [2], "not yet forgiven");
        assert_eq!(locks(&mut attempts, 5, 5_903 + 900), begins);
    }
}
