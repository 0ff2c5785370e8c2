//! Forms of sign-in that need not be written out: each preset stands for a definition's own keys.

use super::context::{Context, Files};
use super::names::join;
use super::view::View;
use crate::document::lower::{FromNode, Lower};
use crate::document::{
    Auth, AuthKeys, AuthRequest, Credential, DefinitionKeys, Errors, Named, Node, OneOrMany, Preset, Tree,
    TreeKind, parse,
};
use crate::source::{Code, Diagnostic, Diagnostics, Span, Spanned, nearest};
use crate::template::Template;

/// The presets that a check needs, in the form of a definition.
#[derive(Debug, Default)]
pub(super) struct Presets(Vec<(Preset, DefinitionKeys)>);

/// Every preset; `base_url` is only there because a definition has one.
fn text_of(preset: Preset) -> &'static str {
    match preset {
        Preset::Basic => {
            r#"
base_url: https://preset.invalid
credentials:
  username: { secret: false, from: [stored, prompt] }
  password: { from: [stored, prompt] }
auth:
  send:
    headers:
      Authorization: Basic ${{ (credentials.username ~ ":" ~ credentials.password) | b64encode }}
"#
        }
        Preset::Bearer => {
            r#"
base_url: https://preset.invalid
credentials:
  token: { from: [stored, prompt] }
auth:
  send: { headers: { Authorization: "Bearer ${{ credentials.token }}" } }
"#
        }
        Preset::ApiKey => {
            r#"
base_url: https://preset.invalid
credentials:
  key: { from: [stored, prompt] }
auth:
  send: { query: { key: "${{ credentials.key }}" } }
"#
        }
        Preset::OAuth2ClientCredentials => {
            r#"
base_url: https://preset.invalid
credentials:
  client_id: { secret: false, from: [stored, prompt] }
  client_secret: { from: [stored, prompt] }
auth:
  methods:
    basic:
      login:
        post: /token
        headers:
          Authorization: >-
            Basic ${{ (credentials.client_id | urlencode ~ ":" ~ credentials.client_secret | urlencode)
            | b64encode }}
        form: { grant_type: client_credentials }
      logout:
        post: /revoke
        headers:
          Authorization: >-
            Basic ${{ (credentials.client_id | urlencode ~ ":" ~ credentials.client_secret | urlencode)
            | b64encode }}
        form: { token: "${{ session.access_token }}" }
    body:
      login:
        post: /token
        form:
          grant_type: client_credentials
          client_id: ${{ credentials.client_id }}
          client_secret: ${{ credentials.client_secret }}
      logout:
        post: /revoke
        form:
          token: ${{ session.access_token }}
          client_id: ${{ credentials.client_id }}
          client_secret: ${{ credentials.client_secret }}
  session: { access_token: $.access_token }
  expires: [{ seconds: $.expires_in }]
  send: { headers: { Authorization: "Bearer ${{ session.access_token }}" } }
# RFC 6749, section 5.2.
errors: { code: $.error, message: $.error_description }
"#
        }
    }
}

/// What a preset takes under `with`.
fn takes(preset: Preset) -> &'static [&'static str] {
    match preset {
        Preset::Basic | Preset::Bearer => &[],
        Preset::ApiKey => &["header", "query"],
        Preset::OAuth2ClientCredentials => &["token", "revoke", "scope", "client_auth"],
    }
}

impl Presets {
    /// Reads the preset that a definition uses, unless it was read already.
    pub fn load(&mut self, auth: Option<&Auth>, files: &mut Files) {
        if let Some(preset) = auth.and_then(|auth| auth.preset.as_ref()) {
            self.add(preset.value, files);
        }
    }

    /// As [`Presets::load`], before the definition itself is read; a name that is none is nothing here.
    pub fn load_named(&mut self, name: &Node, files: &mut Files) {
        if let Some(preset) = Preset::from_node(name, &mut Lower::new(&mut Diagnostics::default())) {
            self.add(preset, files);
        }
    }

    fn add(&mut self, preset: Preset, files: &mut Files) {
        if self.get(preset).is_some() {
            return;
        }
        let mut diagnostics = Diagnostics::default();
        let file = files.sources.add(format!("preset {}", preset.as_str()), text_of(preset));
        let root = parse(&files.sources, file, &mut diagnostics);
        let keys = root.and_then(|root| DefinitionKeys::from_node(&root, &mut Lower::new(&mut diagnostics)));
        self.0.extend(keys.map(|keys| (preset, keys)));
    }

    fn get(&self, preset: Preset) -> Option<&DefinitionKeys> {
        self.0.iter().find(|(known, _)| *known == preset).map(|(_, keys)| keys)
    }

    /// The credentials of a definition, with those that its preset needs and it does not declare.
    pub fn credentials(&self, keys: &DefinitionKeys) -> Named<Credential> {
        let mut credentials = keys.credentials.clone();
        let preset = keys.auth.as_ref().and_then(|auth| auth.preset.as_ref());
        let added = preset.and_then(|preset| self.get(preset.value));
        for (name, credential) in added.iter().flat_map(|added| added.credentials.iter()) {
            if !credentials.declares(name) {
                credentials.insert(name.clone(), credential.clone());
            }
        }
        credentials
    }

    /// How answers say what went wrong: as the definition says, else as the preset does.
    pub fn errors(&self, keys: &DefinitionKeys) -> Option<Errors> {
        let preset = keys.auth.as_ref().and_then(|auth| auth.preset.as_ref());
        let added =
            preset.and_then(|preset| self.get(preset.value)).and_then(|preset| preset.errors.as_ref());
        let (Some(own), Some(added)) = (&keys.errors, added) else {
            return keys.errors.as_ref().or(added).cloned();
        };
        let mut errors = own.clone();
        errors.code.0.extend(added.code.0.iter().cloned());
        errors.message.0.extend(added.message.0.iter().cloned());
        Some(errors)
    }

    /// The credentials that a preset reads.
    pub fn credentials_of(&self, preset: Preset) -> Vec<&str> {
        self.get(preset).map_or_else(Vec::new, |keys| keys.credentials.names().collect())
    }

    /// What a preset says about sign-in, with what stands under `with` put in its places.
    pub fn expand(&self, auth: &Auth) -> Option<AuthKeys> {
        let preset = auth.preset.as_ref()?.value;
        let written = self.get(preset)?.auth.as_ref()?;
        let mut keys = written.common.clone();
        match preset {
            Preset::Basic | Preset::Bearer => {}
            Preset::ApiKey => place_key(&mut keys, &auth.with),
            Preset::OAuth2ClientCredentials => {
                let style = auth.with.get("client_auth").and_then(Template::as_literal).unwrap_or("basic");
                let method = written.methods.get(style).or_else(|| written.methods.get("basic"))?;
                keys.login = method.login.clone();
                fill_grant(&mut keys, &auth.with);
                keys.logout = revocation(method, &auth.with);
            }
        }
        Some(keys)
    }
}

/// Moves the key of `api_key` to the header or query parameter of that name.
fn place_key(keys: &mut AuthKeys, with: &Named<Template>) {
    let Some(send) = &mut keys.send else { return };
    let Some(value) = send.query.get("key").cloned() else { return };
    let name_of = |place: &str| {
        let name = with.get(place)?;
        Some(Spanned::new(name.as_literal()?.to_owned(), name.span()))
    };
    send.query = Named::default();
    match (name_of("header"), name_of("query")) {
        (Some(header), _) => send.headers.insert(header, value),
        (None, Some(parameter)) => send.query.insert(parameter, value),
        (None, None) => {}
    }
}

fn fill_grant(keys: &mut AuthKeys, with: &Named<Template>) {
    let Some(login) = keys.login.0.first_mut() else { return };
    if let Some(path) = with.get("token") {
        login.request.post = Some(path.clone());
    }
    if let (Some(scope), Some(form)) = (with.get("scope"), &mut login.request.form) {
        let span = scope.span();
        let tree = Tree { span, kind: TreeKind::Template(scope.clone()) };
        form.insert(Spanned::new("scope".to_owned(), span), tree);
    }
}

/// The logout, where `with` says to which path a token is given back (RFC 7009).
fn revocation(method: &AuthKeys, with: &Named<Template>) -> Option<OneOrMany<AuthRequest>> {
    let path = with.get("revoke")?;
    let mut logout = method.logout.clone()?;
    logout.0.iter_mut().for_each(|request| request.request.post = Some(path.clone()));
    Some(logout)
}

/// Checks what stands under `with` beside `use`.
pub(super) fn check_with(context: &Context<'_>, auth: &Auth, view: &View<'_>) {
    let Some(preset) = &auth.preset else {
        if context.has_key(auth.span, "with") && !context.has_key(auth.span, "use") {
            let span = context.key(auth.span, "with");
            let message = "`with` tells a preset what it needs to know";
            context.report(
                Diagnostic::new(Code::ConflictingKeys, span, message).label("there is no `use` here"),
            );
        }
        return;
    };
    for (name, value) in auth.with.iter() {
        context.template(value, view);
        if !takes(preset.value).contains(&name.value.as_str()) {
            context.report(unknown_key(preset.value, name));
        }
    }
    refuse_own_form(context, auth, preset);
    match preset.value {
        Preset::Basic | Preset::Bearer => {}
        Preset::ApiKey => check_api_key(context, auth, preset.span),
        Preset::OAuth2ClientCredentials => check_grant(context, auth, preset.span),
    }
}

/// What a preset stands for cannot be written beside it: one of both would have no effect.
fn refuse_own_form(context: &Context<'_>, auth: &Auth, preset: &Spanned<Preset>) {
    let forms: &[&str] = match preset.value {
        Preset::Basic | Preset::Bearer | Preset::ApiKey => &["login", "send"],
        Preset::OAuth2ClientCredentials => &["login"],
    };
    let maps = std::iter::once(auth.span).chain(auth.methods.iter().map(|(_, method)| method.span));
    for map in maps {
        let Some(form) = forms.iter().find(|form| context.has_key(map, form)) else { continue };
        let message = format!("the preset `{}` stands for a `{form}` of its own", preset.value.as_str());
        let diagnostic = Diagnostic::new(Code::ConflictingKeys, context.key(map, form), message);
        context.report(diagnostic.also(preset.span, "leave this out to write everything yourself"));
    }
}

/// Whether a key was misspelt that was probably meant to be one of these.
fn is_misspelt(auth: &Auth, preset: Preset, keys: &[&str]) -> bool {
    let unknown = auth.with.names().filter(|name| !takes(preset).contains(name));
    unknown.into_iter().any(|name| nearest(name, keys.iter().copied()).is_some())
}

fn unknown_key(preset: Preset, name: &Spanned<String>) -> Diagnostic {
    let keys = takes(preset);
    let message = format!("the preset `{}` takes no `{}`", preset.as_str(), name.value);
    let diagnostic = Diagnostic::new(Code::UnknownKey, name.span, message);
    match (nearest(name, keys.iter().copied()), keys) {
        (None, []) => diagnostic.help("it takes nothing under `with`"),
        (None, _) => diagnostic.help(format!("it takes {}", join(keys.iter().copied()))),
        (near, _) => diagnostic.did_you_mean(near),
    }
}

fn check_api_key(context: &Context<'_>, auth: &Auth, span: Span) {
    for name in ["header", "query"].into_iter().filter_map(|place| auth.with.get(place)) {
        if name.as_literal().is_none() {
            let message = "the name under which a key is sent is never a template";
            let diagnostic = Diagnostic::new(Code::TemplateForm, name.span(), message);
            context.report(diagnostic.label("write the name out"));
        }
    }
    let written = ["header", "query"].map(|place| auth.with.declares(place));
    let diagnostic = match written {
        [true, true] => {
            let span = context.key(auth.span, "with");
            Diagnostic::new(
                Code::ConflictingKeys,
                span,
                "a key stands in a `header` or in the `query`, not in both",
            )
        }
        [false, false] if is_misspelt(auth, Preset::ApiKey, &["header", "query"]) => return,
        [false, false] => {
            Diagnostic::new(Code::MissingKey, span, "`api_key` needs to know where the key stands")
                .help("write `with: { header: X-API-Key }` or `with: { query: key }`")
        }
        _ => return,
    };
    context.report(diagnostic);
}

fn check_grant(context: &Context<'_>, auth: &Auth, span: Span) {
    if !auth.with.declares("token") && !is_misspelt(auth, Preset::OAuth2ClientCredentials, &["token"]) {
        let message = "`oauth2_client_credentials` needs to know the path that issues tokens";
        let diagnostic = Diagnostic::new(Code::MissingKey, span, message);
        context.report(diagnostic.help("write `with: { token: /oauth2/token }`"));
    }
    if let Some(style) = auth.with.get("client_auth")
        && !matches!(style.as_literal(), Some("basic" | "body"))
    {
        let message = format!("`{}` is no way to show the client's credentials", style.source());
        let diagnostic = Diagnostic::new(Code::UnknownWord, style.span(), message)
            .did_you_mean(nearest(style.source(), ["basic", "body"]));
        context.report(diagnostic.help("it is `basic` or `body`"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_definition;
    use super::*;

    #[test]
    fn every_preset_is_a_definition() {
        let presets = [Preset::Basic, Preset::Bearer, Preset::ApiKey, Preset::OAuth2ClientCredentials];
        for preset in presets {
            let text = format!("version: 1\nprovider: x\n{}", text_of(preset));
            assert!(read_definition("preset", &text).is_some(), "{}", preset.as_str());
        }
    }
}
