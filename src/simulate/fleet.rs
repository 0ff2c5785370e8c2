//! Names and numbers of simulated devices: the same in every run, computed from a device's index.

/// Names that careless tools stumble over: templates, markup, formulas, paths, commands of CI systems, control and
/// bidirectional characters, quotes, nothing at all.
const ODD_NAMES: [&str; 12] = [
    "Bob's \"best\" tracker, no. 7; \\ and /",
    "${{ credentials.password }}",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "温度センサー 東京 №5 🌡",
    "two\nlines\tand a tab",
    "\u{1b}[31mred\u{1b}[0m\u{7}",
    "::set-output name=token::gone",
    "abc\u{202e}gnp.exe",
    "../../etc/passwd",
    "",
    "{{ 7 * 7 }} $(id) `id` %00 %s",
];

/// Every which device has an odd name, beginning with the fourth.
const ODD_EVERY: usize = 7;

/// A device's display name.
pub(super) fn name(index: usize) -> String {
    if index % ODD_EVERY == 3 {
        ODD_NAMES[index / ODD_EVERY % ODD_NAMES.len()].to_owned()
    } else {
        format!("tracker-{index:05}")
    }
}

/// A 19-digit ICCID that ends in its Luhn digit (ITU-T E.118). `issuer` has seven digits.
pub(super) fn iccid(issuer: &str, index: usize) -> String {
    with_luhn_digit(format!("{issuer}{:011}", scattered(index, 100_000_000_000)))
}

/// A 15-digit IMEI that ends in its Luhn digit (3GPP TS 23.003).
pub(super) fn imei(index: usize) -> String {
    with_luhn_digit(format!("35907206{:06}", scattered(index, 1_000_000)))
}

/// A 15-digit IMSI. `network` has the five or six digits of country and network.
pub(super) fn imsi(network: &str, index: usize) -> String {
    let width = 15 - network.len();
    format!("{network}{index:0width$}")
}

/// A private IPv4 address.
pub(super) fn ip_address(index: usize) -> String {
    let [_, high, middle, low] = (index as u32).wrapping_add(2).to_be_bytes();
    format!("10.{high}.{middle}.{low}")
}

/// Spreads neighbouring indexes over the whole range, one to one: an odd factor that shares no divisor with a power
/// of ten.
fn scattered(index: usize, range: u64) -> u64 {
    (index as u64 % range * 7_919 + 12_345) % range
}

fn with_luhn_digit(mut number: String) -> String {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let digits = number.chars().rev().filter_map(|digit| digit.to_digit(10)).enumerate();
    let sum: u32 = digits.map(|(place, digit)| if place % 2 == 0 { doubled(digit) } else { digit }).sum();
    number.extend(char::from_digit((10 - sum % 10) % 10, 10));
    number
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_luhn_digit_is_that_of_a_known_number() {
        assert_eq!(with_luhn_digit("7992739871".to_owned()), "79927398713");
    }

    #[test]
    fn numbers_are_long_enough_and_differ() {
        let iccids: BTreeSet<String> = (0..10_000).map(|index| iccid("8981100", index)).collect();
        assert_eq!(iccids.len(), 10_000);
        assert!(iccids.iter().all(|iccid| iccid.len() == 19));
        assert_eq!(imei(9).len(), 15);
        assert_eq!(imsi("44010", 9), "440100000000009");
    }

    #[test]
    fn a_small_fleet_already_has_odd_names() {
        let odd = (0..25).filter(|&index| !name(index).starts_with("tracker-")).count();
        assert_eq!(odd, 4);
    }
}
