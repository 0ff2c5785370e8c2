use super::Origin;
use std::cell::RefCell;
use std::collections::HashMap;

/// How many requests in a row may go without an answer, or with one that says that the origin is not well.
const MOST: u32 = 5;

/// How a request ended that was settled, with all its repetitions, as far as the origin's health goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The origin gave an answer, be it a refusal.
    Answered,
    /// It could not be reached, gave no answer, or one that says that it is not well.
    Down,
    /// That says nothing of the origin: the request did not leave this machine, or somebody else has answered.
    Unsaid,
}

/// Which origins are left alone for the rest of a run: those that gave no answer to several requests in a row, or only
/// said that they are not well. Each of these was repeated as often as it may be, so that the next ones would fare no better and make it worse.
#[derive(Debug, Default)]
pub struct Breaker(RefCell<HashMap<Origin, u32>>);

impl Breaker {
    /// Takes note of a request that was settled.
    pub fn note(&self, origin: &Origin, health: Health) {
        let mut origins = self.0.borrow_mut();
        let in_a_row = origins.entry(origin.clone()).or_default();
        match health {
            // What answers to cleanup only is no reason to begin anew.
            _ if *in_a_row >= MOST => {}
            Health::Answered => *in_a_row = 0,
            Health::Down => *in_a_row += 1,
            Health::Unsaid => {}
        }
    }

    /// Whether no more requests are begun there.
    pub fn is_open(&self, origin: &Origin) -> bool {
        self.0.borrow().get(origin).is_some_and(|in_a_row| *in_a_row >= MOST)
    }

    /// Why nothing is begun there, in words.
    pub fn words(origin: &Origin) -> String {
        format!(
            "{origin} is left alone: {MOST} requests in a row got no answer, or one that says that it is not well"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::of(&url.parse().unwrap()).expect("an origin")
    }

    /// A request each: `a`nswered, `d`own or `u`nsaid; and how many were begun before the origin was left alone.
    #[test]
    fn five_in_a_row_that_find_it_down_are_enough() {
        for (ends, begun) in [
            ("ddddd", 5),
            ("dddddaaa", 5),
            ("addddda", 6),
            ("ddddaddddaddddd", 15),
            ("dddudd", 6),
            ("uuuuuuuu", 8),
            ("dadadadadadad", 13),
            ("aaaa", 4),
        ] {
            let (breaker, api) = (Breaker::default(), origin("https://a"));
            let mut count = 0;
            for end in ends.chars().take_while(|_| !breaker.is_open(&api)) {
                count += 1;
                breaker.note(
                    &api,
                    match end {
                        'a' => Health::Answered,
                        'd' => Health::Down,
                        _ => Health::Unsaid,
                    },
                );
            }
            assert_eq!(count, begun, "{ends}");
        }
    }

    #[test]
    fn each_origin_stands_for_itself_and_stays_left_alone() {
        let (breaker, one, other) = (Breaker::default(), origin("https://a"), origin("https://b"));
        (0..5).for_each(|_| breaker.note(&one, Health::Down));
        breaker.note(&one, Health::Answered);
        assert!(breaker.is_open(&one) && !breaker.is_open(&other));
        let words = "https://a is left alone: 5 requests in a row got no answer, or one that says that it is not well";
        assert_eq!(Breaker::words(&one), words);
    }
}
