use crate::port::Random;
use uuid::Uuid;

/// Chance as the operating system gives it.
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fraction(&self) -> f64 {
        fastrand::f64()
    }

    fn uuid(&self) -> String {
        Uuid::new_v4().to_string()
    }

    fn run_id(&self) -> String {
        crockford(Uuid::now_v7().as_u128())
    }
}

/// 128 bits as 26 digits of Crockford's base32, which sort as the numbers do.
fn crockford(number: u128) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    (0..26).rev().map(|place| char::from(DIGITS[(number >> (5 * place)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_have_26_digits_and_sort_by_time() {
        assert_eq!(crockford(0), "0".repeat(26));
        assert_eq!(crockford(u128::MAX), format!("7{}", "Z".repeat(25)));
        assert_eq!(crockford(32 * 33 + 1), format!("{}111", "0".repeat(23)));
        let ids: Vec<String> = (0..100).map(|_| SystemRandom.run_id()).collect();
        assert!(ids.is_sorted() && ids[0].len() == 26 && ids[0] != ids[1], "{ids:?}");
    }

    #[test]
    fn a_fraction_lies_below_one_and_uuids_are_of_version_4() {
        assert!((0..1000).all(|_| (0.0..1.0).contains(&SystemRandom.fraction())));
        assert_eq!(SystemRandom.uuid().as_bytes()[14], b'4');
    }
}
