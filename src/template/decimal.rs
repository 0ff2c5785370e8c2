//! Numbers as the decimal digits that were written: compared, added and multiplied without rounding.

use super::value::from_digits;
use minijinja::value::Value;
use std::cmp::Ordering;

/// A decimal number of any length: `0.DIGITS` times ten to the power of `magnitude`. Equal numbers are equal in all fields,
/// however they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; none at all for zero.
    digits: String,
    magnitude: i64,
}

impl Decimal {
    /// Reads a number as JSON writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (text, exponent) = match text.split_once(['e', 'E']) {
            Some((text, exponent)) => (text, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let significant = digits.trim_start_matches('0');
        let lead = i64::try_from(digits.len() - significant.len()).ok()?;
        let magnitude = i64::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_sub(lead)?;
        let significant = significant.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self { is_negative: false, digits: String::new(), magnitude: 0 });
        }
        Some(Self { is_negative, digits: significant.to_owned(), magnitude })
    }

    /// The decimal form of a number; nothing else has one, nor has what is not finite.
    pub fn of(value: &Value) -> Option<Self> {
        super::value::is_number(value).then(|| Self::parse(&value.to_string())).flatten()
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The number as a whole multiple of a power of ten. `None` when it has too many digits to calculate with.
    fn scaled(&self) -> Option<(i128, i64)> {
        let number: i128 = if self.is_zero() { 0 } else { self.digits.parse().ok()? };
        let exponent = self.magnitude.checked_sub(i64::try_from(self.digits.len()).ok()?)?;
        Some((if self.is_negative { -number } else { number }, exponent))
    }

    /// The number for expressions, written as short as possible. `None` when it has too many digits.
    pub fn to_value(&self) -> Option<Value> {
        let (number, exponent) = self.scaled()?;
        to_value(number, exponent)
    }

    /// The sum, `None` when it has too many digits.
    pub fn plus(&self, other: &Self) -> Option<Value> {
        let ((one, exponent), (another, other_exponent)) = (self.scaled()?, other.scaled()?);
        let lower = exponent.min(other_exponent);
        let sum = raised(one, exponent - lower)?.checked_add(raised(another, other_exponent - lower)?)?;
        to_value(sum, lower)
    }

    /// The product, `None` when it has too many digits.
    pub fn times(&self, other: &Self) -> Option<Value> {
        let ((one, exponent), (another, other_exponent)) = (self.scaled()?, other.scaled()?);
        to_value(one.checked_mul(another)?, exponent.checked_add(other_exponent)?)
    }

    /// The same with the other sign.
    pub fn negated(mut self) -> Self {
        self.is_negative = !self.is_negative && !self.is_zero();
        self
    }
}

/// A number times a power of ten.
fn raised(number: i128, exponent: i64) -> Option<i128> {
    if number == 0 {
        return Some(0);
    }
    number.checked_mul(10_i128.checked_pow(u32::try_from(exponent).ok()?)?)
}

/// The shortest writing of a number: no zeros behind the point, no point without digits behind it.
fn to_value(mut number: i128, mut exponent: i64) -> Option<Value> {
    while exponent < 0 && number % 10 == 0 {
        (number, exponent) = (number / 10, if number == 0 { 0 } else { exponent + 1 });
    }
    if let Some(whole) = u64::try_from(exponent).ok().and_then(|_| raised(number, exponent)) {
        return from_digits(&whole.to_string());
    }
    let sign = if number < 0 { "-" } else { "" };
    let digits = number.unsigned_abs().to_string();
    let places = usize::try_from(-exponent).ok().filter(|places| *places <= 40);
    from_digits(&match places {
        Some(places) => {
            let digits = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            format!("{sign}{whole}.{fraction}")
        }
        None => format!("{sign}{digits}e{exponent}"),
    })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| if number.is_zero() { 0 } else { 1 - 2 * i8::from(number.is_negative) };
        let size = |number: &Self| (number.magnitude, number.digits.clone());
        // Of two texts of digits behind `0.`, the one that sorts first is the smaller number.
        let by_size = || size(self).cmp(&size(other));
        sign(self)
            .cmp(&sign(other))
            .then_with(|| if self.is_negative { by_size().reverse() } else { by_size() })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn numbers_are_ordered_by_value_however_they_are_written() {
        let sorted = [
            "-1e400",
            "-100.5",
            "-2",
            "-1.10",
            "-0.001",
            "0",
            "0.001",
            "1.0999",
            "1.10",
            "1.11",
            "9",
            "10",
            "8988303000000000128.5",
            "8988303000000000129",
            "1e400",
        ];
        for (index, one) in sorted.iter().enumerate() {
            for (other_index, other) in sorted.iter().enumerate() {
                assert_eq!(decimal(one).cmp(&decimal(other)), index.cmp(&other_index), "{one} {other}");
            }
        }
        for (one, other) in
            [("1.10", "1.1"), ("1e3", "1000.0"), ("-0.0", "0"), ("0.1e-1", "0.01"), ("12e+1", "120")]
        {
            assert_eq!(decimal(one), decimal(other));
        }
        for text in ["", "-", ".", "e5", "1e", "NaN", "inf", "1.2.3", "0x1"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sums_and_products_are_exact_or_none() {
        let text = |value: Option<Value>| value.map_or("none".to_owned(), |value| value.to_string());
        for (one, other, sum, product) in [
            ("0.1", "0.2", "0.3", "0.02"),
            ("12.50", "2", "14.5", "25"),
            ("8988303000000000129", "0.5", "8988303000000000129.5", "4494151500000000064.5"),
            ("-1.5", "1.5", "0", "-2.25"),
            ("1e30", "1", "1000000000000000000000000000001", "1000000000000000000000000000000"),
            ("1e60", "1", "none", "1e+60"),
            ("0", "1e-50", "1e-50", "0"),
        ] {
            assert_eq!(text(decimal(one).plus(&decimal(other))), sum, "{one} + {other}");
            assert_eq!(text(decimal(one).times(&decimal(other))), product, "{one} * {other}");
        }
    }
}
