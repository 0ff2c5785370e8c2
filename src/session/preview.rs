//! What a dry run says about signing in, without asking or telling anybody.

use super::choice::choose;
use super::names;
use super::sessions::{Sessions, Setup};
use super::values;
use super::wallet::{Given, Looked};
use crate::credential::{Missing, Preview};
use crate::document::{AuthKeys, AuthRequest};
use crate::event::{Failure, Purpose};
use crate::exchange::{RenderError, Rendered};
use crate::plan::ProviderIndex;
use crate::template::{Data, Moment};

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
                secrets.push(SecretPreview { name: public_name, source, origins: wallet.origins().to_vec() });
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
        let seat = self.seat(provider);
        let names: Vec<String> = given.iter().map(|(name, _)| name.clone()).collect();
        let (planned, wallet) = (seat.account.provider(), &seat.account.wallet);
        let Some(index) = choose(planned, method, &names, wallet, self.events()).await else {
            return Ok(Vec::new());
        };
        let nothing_given = Given::new();
        let visit = self.visit(seat, index, &nothing_given, Purpose::Login);
        let session = values::unknown(visit.method.auth.session.as_ref(), &seat.account.provider().name);
        let mut shapes = Vec::new();
        for request in requests(&visit.method.auth) {
            let mut credentials = Vec::new();
            for name in names::below("credentials", visit.templates(request)) {
                let data = match given.iter().find(|(given, _)| *given == name) {
                    Some((_, data)) => data.clone(),
                    None => wallet.preview_data(&name).await,
                };
                credentials.push((name, data));
            }
            let scope = seat.account.scope(&Moment::of(self.exchange.world()));
            let scope = scope.with("session", session.clone()).with("credentials", Data::Map(credentials));
            shapes.push(visit.render(request, &scope)?);
        }
        Ok(shapes)
    }
}

fn logout_requests(auth: &AuthKeys) -> &[AuthRequest] {
    auth.logout.as_ref().map_or(&[], |requests| &requests.0)
}
