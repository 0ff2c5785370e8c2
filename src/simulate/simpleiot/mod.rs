//! SimpleIOT: an Amazon Cognito user pool to sign in to, and behind Amazon API Gateway the API itself.

mod accounts;
mod api;
mod challenge;
mod cognito;
mod devices;
mod error;
mod lockout;
mod projects;
mod tokens;

pub(super) use api::Simpleiot;
