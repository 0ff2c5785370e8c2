//! The addresses of providers: their form, and whether they are plain http.

use super::context::Context;
use super::options::Override;
use super::value::{convert, literal_of};
use crate::document::{DefinitionKeys, Named, Setting, SourceKind, Tree};
use crate::plan::Address;
use crate::source::{Code, Diagnostic, Span, Spanned};
use crate::template::{Data, Moment, Scope, Template};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::sync::Arc;
use url::{Host, Url};

/// How an address is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Https,
    Http,
    /// Plain http to this machine.
    LoopbackHttp,
    /// It is no address.
    None,
}

/// The scheme of a whole address.
pub(super) fn scheme_of(address: &str) -> Scheme {
    let Ok(url) = Url::parse(address) else { return Scheme::None };
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Scheme::None,
    };
    match (url.scheme(), is_loopback) {
        ("https", _) => Scheme::Https,
        ("http", true) => Scheme::LoopbackHttp,
        ("http", false) => Scheme::Http,
        _ => Scheme::None,
    }
}

/// Where the host of an address ends.
pub(super) fn host_end(address: &str) -> usize {
    let start = address.find("://").map_or(0, |found| found + 3);
    address[start..].find(['/', '?', '#']).map_or(address.len(), |found| start + found)
}

/// Checks the form of an address that a template yields, as far as it is literal.
pub(super) fn check_form(context: &Context<'_>, address: &Template) {
    let fail = |span, message: &str, help: &str| {
        context.report(Diagnostic::new(Code::InvalidAddress, span, message).help(help));
    };
    if let Some(literal) = address.as_literal()
        && scheme_of(literal) == Scheme::None
    {
        return fail(
            address.span(),
            "this is no address of the web",
            "write https://, a host, and perhaps a path",
        );
    }
    for range in address.literal_ranges() {
        if let Some(found) = address.source()[range.clone()].find(['?', '#', '@']) {
            let place = address.place(range.start + found..range.start + found + 1);
            return fail(
                place,
                "an address is scheme, host and path",
                "credentials and queries stand elsewhere",
            );
        }
    }
}

/// The two addresses of a provider with what the playbook and the command line say otherwise.
pub(super) struct Addresses<'a> {
    pub keys: &'a DefinitionKeys,
    /// What the playbook says instead.
    pub base_url: Option<&'a Template>,
    pub auth_base_url: Option<&'a Template>,
    /// What the playbook says about settings.
    pub settings: Option<&'a Named<Tree>>,
    pub allow_http: Option<&'a Spanned<bool>>,
    /// The provider's entry in the playbook.
    pub name: &'a Spanned<String>,
    pub overrides: &'a [Override],
}

impl Addresses<'_> {
    /// Checks both and says which ones count.
    pub fn plan(&self, context: &Context<'_>) -> (Address, Address) {
        let base = self.base();
        let sign_in = self.sign_in(context, &base);
        let is_one =
            self.keys.auth_base_url.is_none() && self.auth_base_url.is_none() && self.given(true).is_none();
        self.check_scheme(context, &base);
        if !is_one {
            self.check_scheme(context, &sign_in);
        }
        self.check_permission(context, [&base, &sign_in]);
        (base, sign_in)
    }

    fn given(&self, is_for_sign_in: bool) -> Option<&Override> {
        let fits =
            |it: &&Override| it.is_for_sign_in == is_for_sign_in && it.provider.value == self.name.value;
        self.overrides.iter().rev().find(fits)
    }

    fn base(&self) -> Address {
        match (self.given(false), self.base_url) {
            (Some(given), _) => Address::Override(given.address.value.clone()),
            (None, Some(written)) => Address::Playbook(written.clone()),
            (None, None) => Address::Definition(self.keys.base_url.clone()),
        }
    }

    fn sign_in(&self, context: &Context<'_>, base: &Address) -> Address {
        if let Some(given) = self.given(true) {
            return Address::Override(given.address.value.clone());
        }
        let is_moved =
            self.given(false).is_some() || (self.base_url.is_some() && self.auth_base_url.is_none());
        match (self.auth_base_url, &self.keys.auth_base_url) {
            (Some(written), _) if self.given(false).is_none() => Address::Playbook(written.clone()),
            (None, None) => base.clone(),
            (written, _) => {
                if is_moved {
                    self.report_forgotten_host(context);
                }
                let definition = self.keys.auth_base_url.clone().map(Address::Definition);
                written.cloned().map(Address::Playbook).or(definition).unwrap_or_else(|| base.clone())
            }
        }
    }

    /// One host was moved, the other one still is the real one: a test would sign in there.
    fn report_forgotten_host(&self, context: &Context<'_>) {
        let name = &self.name.value;
        let (span, missing) = match (self.given(false), self.base_url) {
            (Some(given), _) => (given.address.span, format!("--auth-base-url {name}=...")),
            (None, Some(written)) => (written.span(), "auth_base_url: ...".to_owned()),
            (None, None) => return,
        };
        let message = format!("`{name}` has two addresses, and only one of them is given");
        let diagnostic = Diagnostic::new(Code::MissingValue, span, message);
        context.report(diagnostic.help(format!("sign-in would go to the real one; give `{missing}` too")));
    }

    fn check_scheme(&self, context: &Context<'_>, address: &Address) {
        if self.allow_http.is_some_and(|allowed| allowed.value) {
            return;
        }
        let span = match address {
            // A definition from elsewhere is right as it is; the playbook must allow it.
            Address::Definition(template) if template.span().file != self.name.span.file => self.name.span,
            Address::Definition(template) | Address::Playbook(template) => template.span(),
            Address::Override(_) => self.span_of_override(address),
        };
        if let Address::Override(text) = address
            && text[..host_end(text)].contains('@')
        {
            let message = "an address holds no user name and no password";
            context.report(Diagnostic::new(Code::InvalidAddress, span, message));
        }
        match self.scheme(context, address) {
            Some(Scheme::Http) => {
                let message = format!(
                    "`{}` is asked over plain http: anyone on the way can read the credentials",
                    self.name.value
                );
                let help = "use https, or allow it in a network that you trust: `allow_http: true`";
                context.report(Diagnostic::new(Code::InsecureAddress, span, message).help(help));
            }
            Some(Scheme::None) if matches!(address, Address::Override(_)) => {
                let message = "this is no address of the web";
                let diagnostic = Diagnostic::new(Code::InvalidAddress, span, message);
                context.report(diagnostic.help("write https://, a host, and perhaps a path"));
            }
            _ => {}
        }
    }

    fn span_of_override(&self, address: &Address) -> Span {
        let Address::Override(text) = address else { return self.name.span };
        let found = self.overrides.iter().rev().find(|it| it.address.value == *text);
        found.map_or(self.name.span, |it| it.address.span)
    }

    /// A permission that is made use of, or may be, is said in every run.
    fn check_permission(&self, context: &Context<'_>, addresses: [&Address; 2]) {
        let Some(allowed) = self.allow_http.filter(|allowed| allowed.value) else { return };
        let is_needless =
            |address| matches!(self.scheme(context, address), Some(Scheme::Https | Scheme::LoopbackHttp));
        if !addresses.into_iter().all(is_needless) {
            let message = format!(
                "plain http is allowed for `{}`: anyone on the way can read the credentials",
                self.name.value
            );
            context.report(Diagnostic::new(Code::Insecure, allowed.span, message));
        }
    }

    /// The scheme, as far as it can be known before the run.
    fn scheme(&self, context: &Context<'_>, address: &Address) -> Option<Scheme> {
        match address {
            Address::Override(text) => Some(scheme_of(text)),
            Address::Playbook(template) => {
                let start = template.literal_start();
                let is_literal = template.as_literal().is_some() || host_end(start) < start.len();
                is_literal.then(|| scheme_of(start))
            }
            Address::Definition(template) => {
                let settings = known_settings(context, self.settings, &self.keys.settings);
                let moment = Moment { now: Timestamp::UNIX_EPOCH, uuid: Arc::new(String::new) };
                let scope = Scope::new(&moment).with("settings", Data::Json(Value::Object(settings)));
                let evaluated = template.evaluate(&scope).ok()?;
                let text = evaluated.value.as_str()?;
                Some(scheme_of(text)).filter(|scheme| *scheme != Scheme::None)
            }
        }
    }
}

/// What stands for the value of a setting that is not known before the run; it can be part of a host name.
const UNKNOWN: &str = "unknown";

/// The values of settings that are sure before the run.
fn known_settings(
    context: &Context<'_>,
    given: Option<&Named<Tree>>,
    declared: &Named<Setting>,
) -> Map<String, Value> {
    let value = |name: &str, setting: &Setting| match given.and_then(|given| given.get(name)) {
        Some(tree) => literal_of(tree),
        None => value_from_sources(context, setting),
    };
    let entries = declared.iter().map(|(name, setting)| {
        let value = value(name, setting).unwrap_or_else(|| Value::from(UNKNOWN));
        (name.value.clone(), value)
    });
    entries.collect()
}

fn value_from_sources(context: &Context<'_>, setting: &Setting) -> Option<Value> {
    for source in setting.from.iter().filter(|_| !context.options.is_simulated) {
        let SourceKind::Env(name) = &source.kind else { return None };
        if let Some((text, _)) = context.surroundings.variable(name.as_literal()?) {
            return convert(&text, &setting.value).ok();
        }
    }
    setting.value.default.as_ref().map(|default| default.value.clone())
}
