//! Values that cannot print themselves.
use std::fmt;
use std::hint::black_box;

use zeroize::Zeroize;

/// A value that no log line, report or error can show by accident.
///
/// It has no `Display` and no `Serialize`, its `Debug` is always `[secret]`, two of them are compared in a
/// time that does not tell where they differ, and its memory is zeroed on drop. [`Secret::expose`] is the
/// only way to read it, so that a search for `expose()` finds every place where a secret is used.
///
/// ```
/// use runner::model::secret::SecretText;
///
/// let password = SecretText::from("hunter2");
/// assert_eq!(format!("{password:?}"), "[secret]");
/// assert_eq!(password.expose(), "hunter2");
/// ```
///
/// ```compile_fail,E0277
/// # use runner::model::secret::SecretText;
/// format!("{}", SecretText::from("hunter2"));
/// ```
///
/// ```compile_fail,E0277
/// # use runner::model::secret::SecretText;
/// serde_json::to_string(&SecretText::from("hunter2"));
/// ```
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

/// A secret that is text: a password, a key, a token.
pub type SecretText = Secret<String>;

/// A secret that is no text: a digest, a decoded key.
pub type SecretBytes = Secret<Vec<u8>>;

impl<T: Zeroize> Secret<T> {
    /// Takes the value; copies that the caller keeps are not zeroed.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it: the request that is sent, the store that keeps it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl From<&str> for SecretText {
    fn from(value: &str) -> Self {
        Self::new(value.to_owned())
    }
}

impl From<String> for SecretText {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(value: Vec<u8>) -> Self {
        Self::new(value)
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// Takes the same time wherever the two differ; only a different length shows.
impl<T: Zeroize + AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.0.as_ref(), other.0.as_ref());
        let difference = left.iter().zip(right).fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
        left.len() == right.len() && difference == 0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Eq for Secret<T> {}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn debug_shows_neither_value_nor_length() {
        assert_eq!(format!("{:?}", SecretText::from("hunter2")), "[secret]");
        assert_eq!(format!("{:#?}", Some(SecretBytes::from(vec![1, 2]))), "Some(\n    [secret],\n)");
    }

    #[test]
    fn equality_looks_at_every_byte_and_the_length() {
        let secret = SecretText::from("hunter2");
        assert_eq!(secret, secret.clone());
        for other in ["Hunter2", "hunter3", "hunter", "hunter22", ""] {
            assert_ne!(secret, SecretText::from(other), "{other}");
        }
    }

    #[test]
    fn dropping_zeroes_the_value() {
        struct Watched(Rc<RefCell<Vec<&'static str>>>);
        impl Zeroize for Watched {
            fn zeroize(&mut self) {
                self.0.borrow_mut().push("zeroed");
            }
        }
        let calls = Rc::default();
        drop(Secret::new(Watched(Rc::clone(&calls))));
        assert_eq!(*calls.borrow(), ["zeroed"]);
    }
}
