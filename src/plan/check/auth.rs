//! How one signs in: the methods of a definition, with presets and common keys filled in.

use super::context::Context;
use super::names::{check_name, join, unknown_credential};
use super::path::PathRules;
use super::preset::{self, Presets};
use super::request;
use super::view::{Session, View};
use crate::document::{
    Auth, AuthKeys, AuthRequest, Challenge, Credential, DefinitionKeys, Expiry, Named, Reader, Send,
    SourceKind,
};
use crate::plan::PlannedMethod;
use crate::source::{Code, Diagnostic, Span, Spanned, nearest};
use crate::template::{Condition, Template};

/// The name of the method where a definition has no `methods`.
const ONLY_METHOD: &str = "default";

/// The ways to sign in, everything they have in common filled in.
pub(super) fn methods(keys: &DefinitionKeys, presets: &Presets) -> Vec<(String, AuthKeys)> {
    let Some(auth) = &keys.auth else { return Vec::new() };
    let common = match presets.expand(auth) {
        Some(preset) => filled(&auth.common, &preset),
        None => auth.common.clone(),
    };
    if auth.methods.is_empty() {
        return vec![(ONLY_METHOD.to_owned(), common)];
    }
    auth.methods.iter().map(|(name, own)| (name.value.clone(), filled(own, &common))).collect()
}

/// What is written, and of the rest what `common` has.
fn filled(own: &AuthKeys, common: &AuthKeys) -> AuthKeys {
    let own = own.clone();
    AuthKeys {
        login: if own.login.0.is_empty() { common.login.clone() } else { own.login },
        challenges: own.challenges.or_else(|| common.challenges.clone()),
        session: own.session.or_else(|| common.session.clone()),
        expires: own.expires.or_else(|| common.expires.clone()),
        send: own.send.or_else(|| common.send.clone()),
        headers: own.headers.or_else(|| common.headers.clone()),
        refresh: own.refresh.or_else(|| common.refresh.clone()),
        logout: own.logout.or_else(|| common.logout.clone()),
        store: own.store.or_else(|| common.store.clone()),
        lockout: own.lockout.or_else(|| common.lockout.clone()),
        expired: own.expired.or_else(|| common.expired.clone()),
        refused: own.refused.or_else(|| common.refused.clone()),
        span: own.span,
    }
}

/// A method as a plan has it.
pub(super) fn plan_method(name: String, auth: AuthKeys, credentials: &Named<Credential>) -> PlannedMethod {
    let is_required = |name: &String| {
        let declared = credentials.get(name);
        declared.is_none_or(|it| it.optional != Some(true) && it.one_time != Some(true))
    };
    let needed = match auth.login.0.is_empty() {
        true => credentials_in(auth.send.iter().flat_map(Send::templates)),
        false => credentials_in(auth.login.0.iter().flat_map(|login| login.request.templates())),
    };
    PlannedMethod {
        name,
        required: needed.into_iter().filter(is_required).collect(),
        used: credentials_in(all_texts(&auth)),
        auth,
    }
}

/// The credentials, and behind them those from which a code of theirs is computed.
fn with_totp_secrets(mut names: Vec<String>, credentials: &Named<Credential>) -> Vec<String> {
    let mut at = 0;
    while at < names.len() {
        let sources = credentials.get(&names[at]).map_or(&[][..], |credential| &credential.from);
        let secrets = sources.iter().filter_map(|source| match &source.kind {
            SourceKind::Totp(secret) => Some(secret.value.clone()),
            _ => None,
        });
        let new: Vec<String> = secrets.filter(|secret| !names.contains(secret)).collect();
        names.extend(new);
        at += 1;
    }
    names
}

/// The credentials that texts name, each once, in their order.
fn credentials_in<'t>(texts: impl IntoIterator<Item = &'t Template>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for expression in texts.into_iter().flat_map(Template::expressions) {
        let references = expression.references().iter();
        let credentials = references.filter(|reference| reference.name(0) == Some("credentials"));
        for name in credentials.filter_map(|reference| reference.name(1)) {
            if names.iter().all(|known| known != name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

fn all_texts(auth: &AuthKeys) -> Vec<&Template> {
    let challenges = || auth.challenges.iter().flatten();
    let requests = auth.login.0.iter().chain(challenges().map(|challenge| &challenge.request));
    let requests = requests.chain(auth.refresh.iter().map(|refresh| &refresh.request));
    let requests = requests.chain(auth.logout.iter().flat_map(|logout| &logout.0));
    let mut texts: Vec<&Template> = requests.flat_map(|request| request.request.templates()).collect();
    texts.extend(auth.send.iter().flat_map(Send::templates));
    let stored = challenges().map(|challenge| &challenge.store).chain(&auth.store).chain(&auth.headers);
    texts.extend(stored.flat_map(Named::iter).map(|(_, text)| text));
    texts.extend(challenges().filter_map(|challenge| challenge.refuse.as_ref()));
    texts
}

/// Checks everything under `auth`.
pub(super) fn check(context: &Context<'_>, keys: &DefinitionKeys, auth: &Auth, presets: &Presets) {
    let credentials = presets.credentials(keys);
    let view = View { credentials: Some(&credentials), ..View::of_definition(keys) };
    preset::check_with(context, auth, &view);
    for (name, _) in auth.methods.iter() {
        check_method_name(context, name);
    }
    let methods = methods(keys, presets);
    let is_broken = |key: &str, is_read: bool| context.has_key(auth.span, key) && !is_read;
    if is_broken("use", auth.preset.is_some()) || is_broken("methods", !auth.methods.is_empty()) {
        return;
    }
    for (_, method) in &methods {
        let check = Check { context, keys, auth: method, common: auth.span, view, credentials: &credentials };
        check.method();
    }
}

/// A credential that no request and no header reads is looked up for nothing.
pub(super) fn report_unread_credentials(context: &Context<'_>, keys: &DefinitionKeys, presets: &Presets) {
    let preset = keys.auth.as_ref().and_then(|auth| auth.preset.as_ref());
    let is_unclear = match &keys.auth {
        Some(auth) => context.has_error_in(auth.span),
        None => context.has_key(keys.span, "auth"),
    };
    if is_unclear {
        return;
    }
    let methods = methods(keys, presets);
    let stored = |auth: &AuthKeys| {
        let challenges = auth.challenges.iter().flatten().map(|challenge| &challenge.store);
        let names = challenges.chain(&auth.store).flat_map(Named::names);
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let read = methods.iter().flat_map(|(_, auth)| [credentials_in(all_texts(auth)), stored(auth)].concat());
    let read = with_totp_secrets(read.collect(), &keys.credentials);
    for (name, _) in keys.credentials.iter().filter(|(name, _)| !read.contains(&name.value)) {
        let message = format!("nothing reads the credential `{}`", name.value);
        let diagnostic = Diagnostic::new(Code::Suspicious, name.span, message);
        let wanted = preset.map_or_else(Vec::new, |preset| presets.credentials_of(preset.value));
        let missing = wanted.iter().copied().filter(|wanted| !keys.credentials.declares(wanted));
        context.report(match (nearest(name, missing), wanted.as_slice()) {
            (None, []) => {
                diagnostic.help("requests under `auth` read credentials: `${{ credentials.NAME }}`")
            }
            (None, wanted) => diagnostic.help(format!("the preset reads {}", join(wanted.iter().copied()))),
            (near, _) => diagnostic.did_you_mean(near),
        });
    }
}

fn check_method_name(context: &Context<'_>, name: &Spanned<String>) {
    let is_good =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !is_good {
        let message = format!("`{}` is no name for a method: letters, digits, `_` and `-` only", name.value);
        context.report(Diagnostic::new(Code::InvalidName, name.span, message));
    }
}

/// One method with what its templates see.
struct Check<'c> {
    context: &'c Context<'c>,
    keys: &'c DefinitionKeys,
    auth: &'c AuthKeys,
    /// The map that holds what all methods have in common.
    common: Span,
    view: View<'c>,
    credentials: &'c Named<Credential>,
}

impl<'c> Check<'c> {
    fn method(&self) {
        self.check_wholeness();
        self.refuse_empty_lists();
        for (name, _) in self.auth.session.iter().flat_map(Named::iter) {
            check_name(self.context, name, "a session value");
        }
        for (position, login) in self.auth.login.0.iter().enumerate() {
            let session = match position {
                0 => {
                    Session::Absent("the first login request comes before the session; a later one reads it")
                }
                _ => self.session(),
            };
            self.request(login, "a login", session);
        }
        self.auth.challenges.iter().flatten().for_each(|challenge| self.challenge(challenge));
        if let Some(refresh) = &self.auth.refresh {
            self.request(&refresh.request, "`refresh`", self.session());
        }
        for logout in self.auth.logout.iter().flat_map(|logout| &logout.0) {
            self.request(logout, "`logout`", self.session());
        }
        self.send();
        if let Some(headers) = &self.auth.headers {
            let reason = "these headers go to the login too, before there is a session";
            request::check_headers(
                self.context,
                headers,
                &View { session: Session::Absent(reason), ..self.view },
            );
        }
        self.expiry();
        self.signs();
        self.store();
    }

    /// What a session needs: a login, values to read, a way to send them.
    fn check_wholeness(&self) {
        let has_login = !self.auth.login.0.is_empty() || self.map_with("login").is_some();
        let missing = |key: &str, message: &str, help: &str| {
            let diagnostic =
                Diagnostic::new(Code::MissingKey, self.context.first_key(self.auth.span), message);
            let is_misspelt =
                [self.auth.span, self.common].into_iter().any(|map| self.context.has_misspelt(map, key));
            if self.map_with(key).is_none() && !is_misspelt {
                self.context.report(diagnostic.help(help));
            }
        };
        if self.auth.send.is_none() {
            let help = "write `send: { headers: { Authorization: \"Bearer ${{ session.access_token }}\" } }`";
            missing("send", "`auth` needs to know what requests get: `send`", help);
        }
        if has_login && self.auth.session.is_none() {
            let help = "write `session: { access_token: $.access_token }`";
            missing("session", "a login needs to know what of its answer is kept: `session`", help);
        }
        if has_login {
            return;
        }
        for key in ["session", "refresh", "logout", "challenges", "expires"] {
            if let Some(map) = self.map_with(key) {
                let message = format!("`{key}` needs a `login`");
                let span = self.context.key(map, key);
                self.context.report(Diagnostic::new(Code::ConflictingKeys, span, message));
            }
        }
    }

    fn refuse_empty_lists(&self) {
        for key in ["challenges", "expires"] {
            let Some(map) = self.map_with(key).filter(|map| self.context.is_empty_list(*map, key)) else {
                continue;
            };
            let message = format!("`{key}` needs at least one entry");
            self.context.report(Diagnostic::new(Code::InvalidValue, self.context.key(map, key), message));
        }
    }

    /// The map in which a key is written, readable or not: the method's own, or the common one.
    fn map_with(&self, key: &str) -> Option<Span> {
        [self.auth.span, self.common].into_iter().find(|map| self.context.has_key(*map, key))
    }

    /// The session that the method yields.
    fn session(&self) -> Session<'c> {
        match &self.auth.session {
            Some(values) => Session::Open(values),
            None if self.map_with("session").is_some() => Session::Unreadable,
            None => Session::Absent("there is no session: nothing stands under `auth.session`"),
        }
    }

    /// What is asked of an answer sees the answer and the settings: no credentials and no session.
    fn answer(&self) -> View<'c> {
        View::of_definition(self.keys).answered()
    }

    fn request(&self, request: &AuthRequest, owner: &str, session: Session<'c>) {
        let view = View { session, ..self.view };
        self.request_with(request, owner, &view);
    }

    fn request_with(&self, request: &AuthRequest, owner: &str, view: &View<'_>) {
        request::check(self.context, &request.request, owner, view, PathRules::SignIn);
        if let Some(expect) = &request.expect {
            request::check_expect(self.context, expect, &self.answer());
            self.refuse_schema(expect.schema.as_ref());
        }
    }

    fn refuse_schema(&self, schema: Option<&Spanned<String>>) {
        if let Some(schema) = schema {
            let message = "answers to sign-in are not held against a schema";
            self.context.report(Diagnostic::new(Code::ConflictingKeys, schema.span, message));
        }
    }

    fn challenge(&self, challenge: &Challenge) {
        let reason = "the session is read when no challenge is left";
        let view = View { session: Session::Absent(reason), ..self.view }.answered();
        self.context.condition(&challenge.condition, &self.answer());
        let span = challenge.span;
        match &challenge.refuse {
            Some(text) => {
                self.context.template(text, &self.answer());
                if let Some((verb, _)) = challenge.request.request.verbs().next() {
                    request::report_second(
                        self.context,
                        span,
                        "refuse",
                        verb,
                        "what is refused is not answered",
                    );
                }
            }
            None if self.context.has_key(span, "refuse") => {}
            None => self.request_with(&challenge.request, "a challenge", &view),
        }
        for (name, text) in challenge.store.iter() {
            self.credential(name);
            self.context.template(text, &view);
        }
    }

    fn credential(&self, name: &Spanned<String>) {
        if !self.credentials.declares(name) {
            self.context.report(unknown_credential(name, self.credentials.names()));
        }
    }

    fn send(&self) {
        let Some(send) = &self.auth.send else { return };
        let view = View { session: self.session(), ..self.view };
        request::check_headers(self.context, &send.headers, &view);
        for (_, text) in send.query.iter().chain(send.cookies.iter()) {
            self.context.template(text, &view);
        }
        send.json.iter().for_each(|(_, tree)| self.context.tree(tree, &view));
    }

    fn expiry(&self) {
        for expiry in self.auth.expires.iter().flatten() {
            if let (Expiry::Jwt(name), Some(values)) = (expiry, &self.auth.session)
                && !values.declares(name)
            {
                let message = format!("the session has no value `{}`", name.value);
                let diagnostic = Diagnostic::new(Code::UnknownSessionValue, name.span, message);
                self.context.report(diagnostic.did_you_mean(nearest(name, values.names())));
            }
        }
    }

    /// `expired` and `refused` are asked of answers.
    fn signs(&self) {
        let view = self.answer();
        let signs = [&self.auth.expired, &self.auth.refused].into_iter().flatten();
        signs.for_each(|sign: &Condition| self.context.condition(sign, &view));
    }

    /// What a login keeps for the next one needs a place that can be written.
    fn store(&self) {
        let view = View { session: self.session(), ..self.view };
        for (name, text) in self.auth.store.iter().flat_map(Named::iter) {
            self.context.template(text, &view);
            self.credential(name);
            let Some(credential) = self.credentials.get(name) else { continue };
            if credential.from.iter().all(|source| !matches!(source.kind, SourceKind::Stored)) {
                let message = format!("`{}` cannot be kept: `stored` is none of its sources", name.value);
                let diagnostic = Diagnostic::new(Code::CannotStore, name.span, message);
                self.context.report(diagnostic.also(credential.span, "its sources are here"));
            }
        }
    }
}

/// The values of the sessions of all methods together: an operation works with each of them.
pub(super) fn all_session_values(methods: &[(String, AuthKeys)]) -> Named<Reader> {
    let mut values = Named::default();
    for (name, reader) in methods.iter().filter_map(|(_, auth)| auth.session.as_ref()).flat_map(Named::iter) {
        values.insert(name.clone(), reader.clone());
    }
    values
}
