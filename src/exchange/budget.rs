use super::Origin;
use super::retry::Ending;
use std::cell::RefCell;
use std::collections::HashMap;

/// What an origin can be given credit for at most.
const FULL: u32 = 500;
/// What a repetition costs.
const REPETITION: u32 = 14;
/// What a repetition costs that the server has asked for itself.
const THROTTLED: u32 = 5;
/// What a success brings back.
const SUCCESS: u32 = 1;

/// How much may still be repeated at each origin, counted over all accounts, steps and sign-ins of a run: an outage is not
/// to be made worse by those who wait for its end.
#[derive(Debug, Default)]
pub struct Budget(RefCell<HashMap<Origin, u32>>);

impl Budget {
    /// Pays for a repetition after an attempt that ended so. Returns false when too much was repeated already.
    pub fn pay(&self, origin: &Origin, ending: Ending) -> bool {
        let cost = if ending == Ending::Throttled { THROTTLED } else { REPETITION };
        self.change(origin, |credit| credit.checked_sub(cost))
    }

    /// Takes note of a success.
    pub fn earn(&self, origin: &Origin) {
        self.change(origin, |credit| Some((credit + SUCCESS).min(FULL)));
    }

    fn change(&self, origin: &Origin, change: impl Fn(u32) -> Option<u32>) -> bool {
        let mut credits = self.0.borrow_mut();
        let credit = credits.entry(origin.clone()).or_insert(FULL);
        let changed = change(*credit);
        *credit = changed.unwrap_or(*credit);
        changed.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_uses_the_credit_up_and_successes_bring_it_back() {
        let budget = Budget::default();
        let [a, b] =
            ["https://a", "https://b"].map(|url| Origin::of(&url.parse().unwrap()).expect("an origin"));
        let paid = (0..100).filter(|_| budget.pay(&a, Ending::Unknown)).count();
        assert_eq!(paid, 35, "500 / 14");
        assert!(budget.pay(&b, Ending::Unknown), "another origin has credit of its own");
        assert!(budget.pay(&a, Ending::Throttled) && budget.pay(&a, Ending::Throttled));
        assert!(!budget.pay(&a, Ending::Throttled));
        (0..14).for_each(|_| budget.earn(&a));
        assert!(budget.pay(&a, Ending::Unknown));
    }

    /// Whatever came before: no more is spent than there was, and an outage is met with no more than 35 repetitions.
    #[test]
    fn no_history_earns_more_than_the_credit() {
        let origin = Origin::of(&"https://a".parse().unwrap()).expect("an origin");
        for seed in 0..100 {
            let (budget, mut random) = (Budget::default(), fastrand::Rng::with_seed(seed));
            let (mut spent, mut earned) = (0, 0);
            for _ in 0..random.u32(..2_000) {
                match random.u8(..8) {
                    0 => spent += if budget.pay(&origin, Ending::Throttled) { THROTTLED } else { 0 },
                    1 => spent += if budget.pay(&origin, Ending::Unknown) { REPETITION } else { 0 },
                    _ => {
                        budget.earn(&origin);
                        earned += SUCCESS;
                    }
                }
                assert!(spent <= FULL + earned, "seed {seed}");
            }
            let outage = (0..1_000).filter(|_| budget.pay(&origin, Ending::Unknown)).count();
            assert!(outage <= 35, "seed {seed}: {outage}");
        }
    }
}
