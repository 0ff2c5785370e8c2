//! What a dry run says about signing in, without asking or telling anybody.

use super::choice::choose;
use super::names;
use super::sessions::{Sessions, Setup};
use super::values;
use super::visit::Visit;
use super::wallet::{Given, Looked};
use crate::credential::{Missing, Preview};
use crate::document::{AuthKeys, AuthRequest};
use crate::event::{Failure, Purpose};
use crate::exchange::{Origin, RenderError, Rendered};
use crate::plan::ProviderIndex;
use crate::template::{Data, Moment, Scope, Template};
use serde_json::Value;

/// Where a credential would come from, and where it would go: a line of a dry run.
#[derive(Debug, Clone)]
pub struct SecretPreview {
    /// `emnify.password`
    pub name: String,
    /// Where it would come from. An optional credential that nobody has is not listed.
    pub source: Result<Preview, Missing>,
    /// The origins that it would be sent to.
    pub origins: Vec<String>,
}

impl Sessions {
    /// As [`Sessions::prepare`], without asking anybody: what a dry run says about secrets, in the order of the plan. What
    /// nobody has is no failure here, but a `Missing` in the list.
    ///
    /// # Errors
    /// As [`Sessions::prepare`], but for missing credentials.
    pub async fn preview(setup: Setup) -> Result<(Self, Vec<SecretPreview>), Vec<Failure>> {
        let sessions = Self::ready_accounts(&setup, true).await?;
        let mut secrets: Vec<SecretPreview> = Vec::new();
        for login in &setup.logins {
            let given: Vec<_> =
                login.given.iter().map(|name| (name.clone(), Data::Json(Value::Null))).collect();
            let visit = sessions.previewed(login.provider, login.method.as_deref(), &given).await;
            let seat = sessions.seat(login.provider);
            let wallet = &seat.account.wallet;
            for name in seat.named_by_login(login, sessions.events()).await {
                let public_name = wallet.public_name(&name);
                if secrets.iter().any(|known| known.name == public_name) {
                    continue;
                }
                let source = match wallet.get(&name).await {
                    Looked::Found(found) => Ok(Preview::Found(found)),
                    Looked::WouldAsk(tried) => Ok(Preview::WouldAsk { notes: Vec::new(), tried }),
                    Looked::Missing(_) if wallet.is_optional(&name) => continue,
                    Looked::Missing(missing) => Err(missing),
                };
                let origins = visit.as_ref().map_or_else(Vec::new, |visit| destinations(visit, &name));
                secrets.push(SecretPreview { name: public_name, source, origins });
            }
        }
        Ok((sessions, secrets))
    }

    /// For a dry run: the requests of a login, as far as they can be rendered. `given` are the credentials that the step
    /// gives, perhaps unknown ones. Empty when there is nothing to send.
    ///
    /// # Errors
    /// When a template cannot be evaluated.
    pub async fn login_shapes(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: &[(String, Data)],
    ) -> Result<Vec<Rendered>, RenderError> {
        self.shapes(provider, method, given, |auth| &auth.login.0).await
    }

    /// For a dry run: the requests that end a session of a method. Empty where the provider has no logout.
    ///
    /// # Errors
    /// When a template cannot be evaluated.
    pub async fn logout_shapes(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: &[(String, Data)],
    ) -> Result<Vec<Rendered>, RenderError> {
        self.shapes(provider, method, given, logout_requests).await
    }

    async fn shapes(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: &[(String, Data)],
        requests: impl Fn(&AuthKeys) -> &[AuthRequest],
    ) -> Result<Vec<Rendered>, RenderError> {
        let mut shapes = Vec::new();
        let Some(visit) = self.previewed(provider, method, given).await else { return Ok(shapes) };
        for request in requests(&visit.method.auth) {
            let scope = self.previewed_scope(&visit, visit.templates(request), given).await;
            shapes.push(visit.render(request, &scope)?);
        }
        Ok(shapes)
    }

    /// For a dry run: puts the session on a request, as far as it is known before there is one.
    ///
    /// # Errors
    /// When a template cannot be evaluated, or the request has no place for what it yields.
    pub async fn carry_shape(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: &[(String, Data)],
        rendered: &mut Rendered,
    ) -> Result<(), RenderError> {
        let Some(visit) = self.previewed(provider, method, given).await else { return Ok(()) };
        let Some(send) = &visit.method.auth.send else { return Ok(()) };
        let scope = self.previewed_scope(&visit, names::of_send(send), given).await;
        rendered.carry(send, &scope, self.events().redactor())
    }

    /// A login that nobody does; `None`: there is no such method.
    async fn previewed(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: &[(String, Data)],
    ) -> Option<Visit<'_>> {
        const NOTHING_GIVEN: &Given = &Given::new();
        let seat = self.seat(provider);
        let names: Vec<String> = given.iter().map(|(name, _)| name.clone()).collect();
        let (planned, wallet) = (seat.account.provider(), &seat.account.wallet);
        let index = choose(planned, method, &names, wallet, self.events()).await?;
        Some(self.visit(seat, index, NOTHING_GIVEN, Purpose::Login))
    }

    /// What the templates of such a login see: the session's values by their names.
    async fn previewed_scope<'t>(
        &self,
        visit: &Visit<'_>,
        templates: impl IntoIterator<Item = &'t Template>,
        given: &[(String, Data)],
    ) -> Scope {
        let mut credentials = Vec::new();
        for name in names::below("credentials", templates) {
            let data = match given.iter().find(|(given, _)| *given == name) {
                Some((_, data)) => data.clone(),
                None => visit.account.wallet.preview_data(&name).await,
            };
            credentials.push((name, data));
        }
        let session = values::unknown(visit.method.auth.session.as_ref(), &visit.account.provider().name);
        let scope = visit.account.scope(&Moment::of(self.exchange.world()));
        scope.with("session", session).with("credentials", Data::Map(credentials))
    }
}

/// The origins that a credential is sent to: that of sign-in, of all else, or both.
fn destinations(visit: &Visit<'_>, name: &str) -> Vec<String> {
    let (account, auth) = (visit.account, &visit.method.auth);
    let is_named =
        |templates: Vec<&Template>| names::below("credentials", templates).iter().any(|one| one == name);
    let challenges = auth.challenges.iter().flatten().map(|challenge| &challenge.request);
    let refresh = auth.refresh.iter().map(|refresh| &refresh.request);
    let requests = auth.login.0.iter().chain(logout_requests(auth)).chain(challenges).chain(refresh);
    let signs_in = requests.into_iter().any(|request| is_named(visit.templates(request)));
    let headers = account.provider().headers.iter().map(|(_, template)| template);
    let is_carried = is_named(auth.send.iter().flat_map(names::of_send).chain(headers).collect());
    let urls = [(signs_in, account.auth_base_url()), (is_carried, account.base_url())];
    let mut origins: Vec<String> = Vec::new();
    for origin in urls.into_iter().filter(|(is_sent, _)| *is_sent).filter_map(|(_, url)| Origin::of(url)) {
        if !origins.contains(&origin.to_string()) {
            origins.push(origin.to_string());
        }
    }
    origins
}

fn logout_requests(auth: &AuthKeys) -> &[AuthRequest] {
    auth.logout.as_ref().map_or(&[], |requests| &requests.0)
}
