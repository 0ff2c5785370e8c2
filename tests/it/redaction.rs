//! Redaction under random secrets, texts, encodings and chunks, judged by a search that shares nothing with
//! it.
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fastrand::Rng;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runner::model::redaction::{Learned, RedactingWriter, Redactor};

use crate::support::planted::find_planted;

/// Each case is made from its own seed, which a failure prints.
const CASES: u64 = 200;

/// Characters of which secrets and texts are made: all that some encoding treats in its own way.
const CHARACTERS: &[char] = &[
    'a', 'b', 'c', 'x', 'Y', 'Z', 'u', 'n', '0', '1', '4', '7', '%', '\\', '&', ';', '#', '"', '\'', '+',
    '/', '-', '_', '=', ' ', '.', '@', '$', '{', '<', '>', 'é', 'ß', '漢', '😀',
];

fn random_text(random: &mut Rng, length: std::ops::Range<usize>) -> String {
    (0..random.usize(length)).map(|_| *random.choice(CHARACTERS).unwrap()).collect()
}

fn random_secret(random: &mut Rng) -> String {
    random_text(random, 8..40)
}

/// Text that cannot hold any of the secrets, whatever is done to it.
fn random_filler(random: &mut Rng) -> String {
    (0..random.usize(0..60)).map(|_| *random.choice(&['m', 'o', 'w', ' ', '\n', '.', '5']).unwrap()).collect()
}

/// A way to write a secret; the first argument decides among its spellings.
type Encoding = (&'static str, fn(&mut Rng, &str) -> String);

const ENCODINGS: &[Encoding] = &[
    ("raw", |_, secret| secret.to_owned()),
    ("other case", |_, secret| secret.to_ascii_uppercase()),
    ("percent", percent),
    ("percent of percent", |random, secret| {
        let once = percent(random, secret);
        percent(random, &once)
    }),
    ("form", |_, secret| utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string().replace("%20", "+")),
    ("JSON", |_, secret| quoted(secret)),
    ("JSON in JSON", |_, secret| quoted(&quoted(secret))),
    ("UTF-16 escapes", utf16_escapes),
    ("entities", entities),
    ("percent in JSON", |random, secret| quoted(&percent(random, secret))),
    ("JSON in percent", |random, secret| percent(random, &quoted(secret))),
    ("JSON in entities", |random, secret| entities(random, &quoted(secret))),
    ("hex", |_, secret| secret.bytes().map(|byte| format!("{byte:02x}")).collect()),
    ("HEX", |_, secret| secret.bytes().map(|byte| format!("{byte:02X}")).collect()),
    ("base64 of a pair", |random, secret| STANDARD.encode(pair(random, secret))),
    ("base64 for URLs", |random, secret| URL_SAFE_NO_PAD.encode(pair(random, secret))),
    ("base64 of JSON", |random, secret| STANDARD.encode(pair(random, &quoted(secret)))),
    ("base64 in percent", |random, secret| {
        let encoded = STANDARD.encode(pair(random, secret));
        percent(random, &encoded)
    }),
    ("wrapped base64", |random, secret| {
        let encoded = STANDARD.encode(format!("{}{secret}{}", random_filler(random), random_filler(random)));
        let columns = *random.choice(&[20, 64, 76]).unwrap();
        let lines: Vec<_> = encoded.as_bytes().chunks(columns).map(String::from_utf8_lossy).collect();
        lines.join("\n  ")
    }),
    ("shell", |_, secret| secret.replace('\'', r"'\''")),
    ("YAML", |_, secret| secret.replace('\'', "''")),
    ("Debug", |_, secret| format!("{secret:?}")),
];

fn percent(random: &mut Rng, text: &str) -> String {
    let encoded = |byte: u8, random: &mut Rng| match random.u8(0..3) {
        0 => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    };
    let must = |byte: u8| !byte.is_ascii_alphanumeric();
    text.bytes()
        .map(
            |byte| {
                if must(byte) || random.bool() { encoded(byte, random) } else { char::from(byte).to_string() }
            },
        )
        .collect()
}

fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

fn utf16_escapes(random: &mut Rng, text: &str) -> String {
    let upper = random.bool();
    let escape = |unit| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
    text.encode_utf16().map(escape).collect()
}

fn entities(random: &mut Rng, text: &str) -> String {
    let escape = |character: char| match (character, random.u8(0..4)) {
        ('&', 0) => "&amp;".to_owned(),
        ('"', 0) => "&quot;".to_owned(),
        ('a'..='z', 0..3) => character.to_string(),
        (_, 1) => format!("&#{};", u32::from(character)),
        (_, 2) => format!("&#x{:X};", u32::from(character)),
        _ => format!("&#x{:x};", u32::from(character)),
    };
    text.chars().map(escape).collect()
}

fn pair(random: &mut Rng, secret: &str) -> String {
    let around = &"user:"[..random.usize(0..6)];
    format!("{around}{secret}{}", &"more"[..random.usize(0..5)])
}

/// Calls `check` with a generator for each case; a failure names the seed.
fn for_each_case(check: impl Fn(&mut Rng)) {
    for seed in 0..CASES {
        let outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&mut Rng::with_seed(seed))));
        assert!(outcome.is_ok(), "the case of seed {seed} failed");
    }
}

#[track_caller]
fn assert_hidden(output: &[u8], secret: &str, source: &str) {
    if let Some(how) = find_planted(output, secret) {
        let output = String::from_utf8_lossy(output);
        panic!("{secret:?} stands {how} in the output\n{output:?}\nof\n{source:?}");
    }
}

fn learned(secrets: &[String]) -> Redactor {
    let redactor = Redactor::default();
    for (number, secret) in secrets.iter().enumerate() {
        assert_eq!(redactor.learn(&format!("s{number}"), secret), Learned::Searched);
    }
    redactor
}

/// A text that holds each of the secrets in some encoding, between fillers.
fn text_with(random: &mut Rng, secrets: &[String]) -> String {
    let mut text = random_filler(random);
    for secret in secrets {
        let (_, encode) = *random.choice(ENCODINGS).unwrap();
        text += &format!(" {} ", encode(random, secret));
        text += &random_filler(random);
    }
    text
}

#[test]
fn each_encoding_is_found_and_hidden() {
    for_each_case(|random| {
        let secret = random_secret(random);
        let redactor = learned(std::slice::from_ref(&secret));
        for (name, encode) in ENCODINGS {
            let text =
                format!("{} {} {}", random_filler(random), encode(random, &secret), random_filler(random));
            assert!(
                find_planted(text.as_bytes(), &secret).is_some(),
                "{name}: {secret:?} is not seen in {text:?}"
            );
            assert_hidden(redactor.redact(&text).as_bytes(), &secret, &text);
        }
    });
}

#[test]
fn chunks_hide_no_secret() {
    for_each_case(|random| {
        let secrets: Vec<_> = (0..3).map(|_| random_secret(random)).collect();
        let text = text_with(random, &secrets);
        let mut writer = RedactingWriter::new(learned(&secrets), Vec::new());
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(random.usize(1..=rest.len().min(30)));
            writer.write_all(chunk).unwrap();
            if random.bool() {
                writer.flush().unwrap();
            }
            rest = after;
        }
        let output = writer.finish().unwrap();
        for secret in &secrets {
            assert_hidden(&output, secret, &text);
        }
    });
}

#[test]
fn chunks_change_no_text_without_secrets() {
    for_each_case(|random| {
        let redactor = learned(&[random_secret(random), random_secret(random)]);
        let text: String = (0..20).map(|_| random_text(random, 0..30) + "\n").collect();
        assert!(matches!(redactor.redact(&text), std::borrow::Cow::Borrowed(same) if same == text));
        let mut writer = RedactingWriter::new(redactor, Vec::new());
        for chunk in text.as_bytes().chunks(random.usize(1..40)) {
            writer.write_all(chunk).unwrap();
            writer.flush().unwrap();
        }
        assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), text);
    });
}

#[test]
fn overlapping_secrets_are_all_hidden() {
    for_each_case(|random| {
        let text = format!("{}{}", random_secret(random), random_secret(random));
        let characters: Vec<char> = text.chars().collect();
        let secrets: Vec<String> = (0..4)
            .map(|_| {
                let start = random.usize(0..characters.len() - 4);
                characters[start..random.usize(start + 4..=characters.len())].iter().collect()
            })
            .filter(|secret: &String| secret.trim().chars().count() >= 4)
            .collect();
        let redacted = learned(&secrets).redact(&text).into_owned();
        for secret in &secrets {
            assert_hidden(redacted.as_bytes(), secret, &text);
        }
    });
}
