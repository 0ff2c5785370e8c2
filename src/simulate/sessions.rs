//! Who is signed in, and with which tokens.

use std::collections::HashMap;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Sent with API calls.
    Access,
    /// Says who the user is; SimpleIOT's API takes this one.
    Id,
    /// Exchanged for a new access token.
    Refresh,
}

/// An issued token. Its text is known to [`Sessions`] only.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Which login it came from.
    pub(super) session: SessionId,
    /// The first second, since the Unix epoch, in which it is refused.
    pub(super) expires: i64,
    revoked: bool,
}

impl Token {
    /// A token that nobody has revoked.
    pub(super) fn new(kind: TokenKind, session: SessionId, expires: i64) -> Self {
        Self { kind, session, expires, revoked: false }
    }

    fn is_live(&self, now: i64) -> bool {
        !self.revoked && now < self.expires
    }
}

/// Names one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionId(usize);

/// What a presented token turned out to be.
#[derive(Debug)]
pub(super) enum Standing<'a> {
    /// Never issued here.
    Unknown,
    /// Issued and taken back.
    Revoked(&'a Token),
    /// Issued and past its time.
    Expired(&'a Token),
    /// Good.
    Live(&'a Token),
}

/// Sign-ins so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SessionCounts {
    pub(super) logins: u64,
    pub(super) refused_logins: u64,
    pub(super) refreshes: u64,
    pub(super) logouts: u64,
    pub(super) open_sessions: u64,
}

#[derive(Debug)]
struct Session<A> {
    holder: A,
    is_closed: bool,
}

/// All logins with what the provider knows of each (`A`), and all tokens they were given.
#[derive(Debug)]
pub(super) struct Sessions<A> {
    sessions: Vec<Session<A>>,
    tokens: HashMap<String, Token>,
    counts: SessionCounts,
}

impl<A> Sessions<A> {
    /// Nobody is signed in.
    pub(super) fn new() -> Self {
        Self { sessions: Vec::new(), tokens: HashMap::new(), counts: SessionCounts::default() }
    }

    /// Counts a login that succeeded.
    pub(super) fn open(&mut self, holder: A) -> SessionId {
        self.counts.logins += 1;
        self.sessions.push(Session { holder, is_closed: false });
        SessionId(self.sessions.len() - 1)
    }

    /// Counts a login that was refused.
    pub(super) fn refuse(&mut self) {
        self.counts.refused_logins += 1;
    }

    /// Counts a refresh that succeeded.
    pub(super) fn refreshed(&mut self) {
        self.counts.refreshes += 1;
    }

    /// Counts a logout that succeeded.
    pub(super) fn logged_out(&mut self) {
        self.counts.logouts += 1;
    }

    /// Remembers a token under its text.
    pub(super) fn issue(&mut self, text: &str, token: Token) {
        self.tokens.insert(text.to_owned(), token);
    }

    /// What a presented token is worth at `now`.
    pub(super) fn standing(&self, text: &str, now: i64) -> Standing<'_> {
        match self.tokens.get(text) {
            None => Standing::Unknown,
            Some(token) if token.revoked => Standing::Revoked(token),
            Some(token) if token.is_live(now) => Standing::Live(token),
            Some(token) => Standing::Expired(token),
        }
    }

    /// What the provider knows of a login.
    pub(super) fn holder(&self, id: SessionId) -> &A {
        &self.sessions[id.0].holder
    }

    /// Closes the sessions whose holder fits and revokes those of their tokens whose kind is named.
    pub(super) fn close(&mut self, revoked: &[TokenKind], fits: impl Fn(SessionId, &A) -> bool) {
        for (index, session) in self.sessions.iter_mut().enumerate() {
            session.is_closed |= fits(SessionId(index), &session.holder);
        }
        let Self { sessions, tokens, .. } = self;
        for token in tokens.values_mut() {
            token.revoked |= sessions[token.session.0].is_closed && revoked.contains(&token.kind);
        }
    }

    /// Revokes every token of these kinds and leaves the sessions open.
    pub(super) fn revoke(&mut self, kinds: &[TokenKind]) {
        for token in self.tokens.values_mut() {
            token.revoked |= kinds.contains(&token.kind);
        }
    }

    /// The counts, with the sessions open at `now`: neither closed nor without any token that is still good.
    pub(super) fn counts(&self, now: i64) -> SessionCounts {
        let mut has_live_token = vec![false; self.sessions.len()];
        for token in self.tokens.values() {
            has_live_token[token.session.0] |= token.is_live(now);
        }
        let open =
            self.sessions.iter().zip(has_live_token).filter(|(session, live)| !session.is_closed && *live);
        SessionCounts { open_sessions: open.count() as u64, ..self.counts }
    }
}
