//! The secrets of a run, and text without them.
use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::forms::SHORTEST;
use super::matcher::{KnownSecret, Matcher};

/// Knows the secrets of a run and replaces them in text, in whatever encoding they stand there.
///
/// Clones share what they know, and a secret may be learned at any time, from any thread. What is learned is
/// found in all text redacted afterwards: so a token is learned before anything of the answer that brought it
/// is shown.
///
/// A text without secrets comes back as it is. A secret is replaced as a whole; of secrets that overlap, the
/// longest gives the name. From 8 characters on, a secret is found in another case and across line breaks
/// too.
///
/// ```
/// use runner::model::redaction::Redactor;
///
/// let redactor = Redactor::default();
/// let _ = redactor.learn("emnify.password", "p@ss/w0rd");
/// assert_eq!(redactor.redact("login?password=p%40ss%2Fw0rd"), "login?password=‹emnify.password›");
/// ```
#[derive(Clone, Default)]
pub struct Redactor {
    state: Arc<RwLock<State>>,
}

#[derive(Default)]
struct State {
    /// Learned since the last text was redacted, and not yet in the matcher.
    pending: Vec<Arc<KnownSecret>>,
    matcher: Arc<Matcher>,
}

/// What became of a secret that a [`Redactor`] was given.
#[must_use = "a secret that is too short is not found in text: redact it where it is known to stand"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It is found in every text from now on.
    Searched,
    /// It has fewer than 4 characters, white space around it not counted. To look for it would shred every
    /// text, so it is **not** found: warn, and write its [`placeholder`] wherever it is known to stand.
    TooShort,
    /// It is empty or only white space, and nothing is to be hidden.
    Blank,
}

/// What is shown in the place of the secret called `name`: `‹emnify.password›`, or `‹secret›` without a name.
pub fn placeholder(name: &str) -> String {
    format!("‹{}›", if name.is_empty() { "secret" } else { name })
}

impl Redactor {
    /// Learns a secret; of several names for one value the first one stays.
    pub fn learn(&self, name: &str, secret: &str) -> Learned {
        match secret.trim().chars().count() {
            0 => return Learned::Blank,
            1..SHORTEST => return Learned::TooShort,
            _ => {}
        }
        // A thread that panicked must not stop the others from hiding secrets: the lock is taken even so.
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if !state.matcher.knows(secret) && !state.pending.iter().any(|known| known.is(secret)) {
            state.pending.push(Arc::new(KnownSecret::new(secret, placeholder(name))));
        }
        Learned::Searched
    }

    /// The text without secrets; borrowed when it holds none.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        redact_text(&self.matcher(), text)
    }

    /// As [`Redactor::redact`], for bytes of any encoding.
    pub fn redact_bytes<'t>(&self, bytes: &'t [u8]) -> Cow<'t, [u8]> {
        self.matcher().redact(bytes).map_or(Cow::Borrowed(bytes), Cow::Owned)
    }

    /// What is known now, built if something was learned since the last time.
    pub(super) fn matcher(&self) -> Arc<Matcher> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.pending.is_empty() {
            return Arc::clone(&state.matcher);
        }
        drop(state);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let pending = mem::take(&mut state.pending);
        if !pending.is_empty() {
            state.matcher = Arc::new(Matcher::clone(&state.matcher).with(pending));
        }
        Arc::clone(&state.matcher)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// Calls `visit` with each text and number at the leaves of a value.
pub fn each_text(value: &Value, visit: &mut dyn FnMut(String)) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => visit(number.to_string()),
        Value::String(text) => visit(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, visit)),
        Value::Object(members) => members.values().for_each(|item| each_text(item, visit)),
    }
}

fn redact_text<'t>(matcher: &Matcher, text: &'t str) -> Cow<'t, str> {
    match matcher.redact(text.as_bytes()) {
        None => Cow::Borrowed(text),
        Some(redacted) => Cow::Owned(String::from_utf8_lossy(&redacted).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = r#"p@ß "w'0\r&d<é>"#;

    fn redactor(secrets: &[(&str, &str)]) -> Redactor {
        let redactor = Redactor::default();
        for (name, secret) in secrets {
            assert_eq!(redactor.learn(name, secret), Learned::Searched);
        }
        redactor
    }

    #[track_caller]
    fn assert_redacts(redactor: &Redactor, cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(redactor.redact(text), *expected, "redacting {text}");
        }
    }

    #[test]
    fn every_escaped_form_of_one_secret() {
        let redactor = redactor(&[("x", SECRET)]);
        for form in [
            SECRET,
            r#"P@ß "W'0\R&D<é>"#,
            "p%40%C3%9F%20%22w%270%5Cr%26d%3C%C3%A9%3E",
            "p%40%c3%9f+%22w%270%5cr%26d%3c%c3%a9%3e",
            "p@%c3%9F%20\"w'0%5Cr%26d<%C3%a9>",
            "%70%40%C3%9F%20%22%77%27%30%5C%72%26%64%3C%C3%A9%3E",
            "p%2540%25C3%259F%2520%2522w%25270%255Cr%2526d%253C%25C3%25A9%253E",
            "p%40%DF%20%22w%270%5Cr%26d%3C%E9%3E",
            r#"p@ß \"w'0\\r&d<é>"#,
            r#"p@ß \\\"w'0\\\\r&d<é>"#,
            r#"p@\u00df \"w'0\\r\u0026d\u003C\u00E9\u003e"#,
            r"\u0070\u0040\u00df\u0020\u0022\u0077\u0027\u0030\u005c\u0072\u0026\u0064\u003c\u00e9\u003e",
            r#"p@\u{df} \"w\'0\\r&d<\u{e9}>"#,
            r#"p@\xc3\x9f \"w'0\\r&d<\303\251>"#,
            r#"p@\xDF \"w'0\\r&d<\xE9>"#,
            "p@ß &quot;w&#39;0\\r&amp;d&lt;é&gt;",
            "p@&#223; &#34;w&apos;0&#92;r&#x26;d&#x3C;&#xe9;&#X3e;",
            r#"p@ß "w'\''0\r&d<é>"#,
            r#"p@ß "w'"'"'0\r&d<é>"#,
            r#"p@ß "w''0\r&d<é>"#,
            r#"p@ß ""w'0\r&d<é>"#,
            r#"p@ß\ \"w\'0\\r\&d\<é\>"#,
            "p@ß\n  \"w'0\\r&d<é>",
            "p@ß \"w'0\r\n\t\\r&d<é>",
        ] {
            let text = format!("before ({form}) after");
            assert_eq!(redactor.redact(&text), "before (‹x›) after", "redacting {text}");
        }
    }

    #[test]
    fn base64_at_all_alignments_leaves_only_the_neighbours() {
        assert_redacts(
            &redactor(&[("x", "secret?>~")]),
            &[
                ("Basic c2VjcmV0Pz5+", "Basic ‹x›"),
                ("c2VjcmV0Pz5-", "‹x›"),
                ("Basic dTpzZWNyZXQ/Pn4=", "Basic dT‹x›="),
                ("dTpzZWNyZXQ_Pn4", "dT‹x›"),
                ("dXNlcjpzZWNyZXQ/Pn47eA==", "dXNlcj‹x›7eA=="),
                ("c2Vjc\n   mV0Pz5+", "‹x›"),
                (r"c2Vjc\nmV0Pz5%2B", "‹x›"),
                ("c2VjcmV0JTNGJTNFfg", "‹x›"),
            ],
        );
    }

    #[test]
    fn hex_in_both_cases() {
        let redactor = redactor(&[("x", "pass")]);
        assert_redacts(&redactor, &[("0x70617373", "0x‹x›"), ("[7061737A]", "[7061737A]")]);
        assert_redacts(&self::redactor(&[("x", "jklm")]), &[("6A6B6c6D", "‹x›")]);
    }

    #[test]
    fn lines_of_a_secret_are_secret() {
        let redactor = redactor(&[("key", "-----BEGIN-----\nMIIEvQ\nab\n-----END-----\n")]);
        assert_redacts(
            &redactor,
            &[
                ("-----BEGIN-----\nMIIEvQ\nab\n-----END-----\n", "‹key›"),
                ("  MIIEvQ\r\n  ab", "  ‹key›\r\n  ab"),
                (r#""MIIEvQ\nab\n""#, r#""‹key›\nab\n""#),
            ],
        );
    }

    #[test]
    fn overlaps_become_one_and_the_longest_names_it() {
        let redactor = redactor(&[
            ("ab", "aaaabbbb"),
            ("bc", "bbbbccccc"),
            ("in", "dddd"),
            ("out", "xddddx"),
            ("self", "abab"),
        ]);
        assert_redacts(
            &redactor,
            &[
                ("-aaaabbbbccccc-", "-‹bc›-"),
                ("-xddddx-dddd-", "-‹out›-‹in›-"),
                ("-abababab-", "-‹self›-"),
                ("xddddxdddd", "‹out›‹in›"),
            ],
        );
    }

    #[test]
    fn case_counts_below_eight_characters() {
        let redactor = redactor(&[("short", "Secret7"), ("long", "Größer88")]);
        assert_redacts(&redactor, &[("SECRET7", "SECRET7"), ("GRÖSSER88 gröSSer88", "‹long› gröSSer88")]);
        assert_redacts(&redactor, &[("gRößEr88", "‹long›")]);
    }

    #[test]
    fn short_and_blank_secrets_are_not_searched() {
        let redactor = Redactor::default();
        assert_eq!(redactor.learn("x", ""), Learned::Blank);
        assert_eq!(redactor.learn("x", " \n  "), Learned::Blank);
        assert_eq!(redactor.learn("x", "äöü"), Learned::TooShort);
        assert_eq!(redactor.learn("x", "äöü\n"), Learned::TooShort);
        assert_eq!(redactor.redact("  \n  äöü"), "  \n  äöü");
    }

    #[test]
    fn a_text_without_secrets_is_not_copied() {
        let redactor = redactor(&[("x", "tops"), ("y", "hunter22")]);
        for text in
            ["", "top s", "to\nps", "TOPS", "%74%6f%70 \\u0074op &amp; hunt er22", "dG9w", "{\"a\":1}\n\n"]
        {
            assert!(
                matches!(redactor.redact(text), Cow::Borrowed(same) if same == text),
                "{text} was changed"
            );
            assert!(matches!(redactor.redact_bytes(text.as_bytes()), Cow::Borrowed(_)), "{text} was changed");
        }
    }

    #[test]
    fn bytes_need_not_be_utf8() {
        let redactor = redactor(&[("x", "señor")]);
        let expected = [b"\xff", "‹x›".as_bytes(), b"\xff"].concat();
        assert_eq!(*redactor.redact_bytes(b"\xffse\xf1or\xff"), *expected);
    }

    #[test]
    fn secrets_learned_late_and_by_a_clone_are_found() {
        let redactor = redactor(&[("first", "first-secret")]);
        assert_redacts(&redactor, &[("first-secret later-secret", "‹first› later-secret")]);
        let clone = redactor.clone();
        let learned = std::thread::spawn(move || clone.learn("later", "later-secret")).join().unwrap();
        assert_eq!(learned, Learned::Searched);
        assert_redacts(&redactor, &[("first-secret later-secret", "‹first› ‹later›")]);
    }

    #[test]
    fn a_thousand_secrets_learned_one_by_one() {
        let redactor = Redactor::default();
        for number in 0..1000 {
            let secret = format!("secret-{number:04}");
            let _ = redactor.learn(&number.to_string(), &secret);
            if number % 50 == 0 {
                assert_eq!(redactor.redact(&secret), placeholder(&number.to_string()));
            }
        }
        assert_redacts(
            &redactor,
            &[("secret-0000 secret-0517 secret-0999 secret-1000", "‹0› ‹517› ‹999› secret-1000")],
        );
    }

    #[test]
    fn the_first_name_stays() {
        let redactor = redactor(&[("first", "one value"), ("second", "one value"), ("", "other value")]);
        assert_redacts(&redactor, &[("one value, other value", "‹first›, ‹secret›")]);
    }

    #[test]
    fn a_second_redaction_changes_nothing() {
        let redactor = redactor(&[("emnify.password", "password"), ("second", "emnify")]);
        let once = redactor.redact("emnify password").into_owned();
        assert_eq!(once, "‹second› ‹emnify.password›");
        assert_eq!(redactor.redact(&once), once);
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", redactor(&[("x", "hunter22")])), "Redactor { .. }");
    }
}
