//! Routing by path templates, which also name a request in the statistics.

use super::answer::Answer;
use super::call::Call;

/// Handles one kind of call. `Err` is an answer too: a refusal that ends the handler early.
pub(super) type Handler<S> = fn(&mut S, &Call, &Params) -> Result<Answer, Answer>;

/// One method on one path.
pub(super) struct Route<S: 'static> {
    method: &'static str,
    template: &'static str,
    handler: Handler<S>,
}

impl<S> Route<S> {
    /// `template` is the whole path; a segment in braces takes any one non-empty segment.
    pub(super) const fn new(method: &'static str, template: &'static str, handler: Handler<S>) -> Self {
        Self { method, template, handler }
    }

    /// Runs the handler; a refusal is an answer like any other.
    pub(super) fn run(&self, state: &mut S, call: &Call, params: &Params) -> Answer {
        (self.handler)(state, call, params).unwrap_or_else(|refusal| refusal)
    }
}

/// The values of a template's braces.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// The value of a brace, empty if the template has none of that name.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

/// What a table of routes says about a call.
pub(super) enum Match<'r, S: 'static> {
    /// This route handles it.
    Found(&'r Route<S>, Params),
    /// The path exists, but only for these methods.
    OtherMethods(Vec<&'static str>),
    /// There is no such path.
    NoPath,
}

/// How the statistics name the route of a call: method and path template.
pub(super) fn name<S>(routes: &[Route<S>], call: &Call) -> Option<String> {
    match find(routes, call) {
        Match::Found(Route { method, template, .. }, _) => Some(format!("{method} {template}")),
        Match::OtherMethods(_) | Match::NoPath => None,
    }
}

/// Finds the route of a call; the first that fits wins.
pub(super) fn find<'r, S>(routes: &'r [Route<S>], call: &Call) -> Match<'r, S> {
    let segments = call.segments();
    let mut methods = Vec::new();
    for route in routes {
        let Some(params) = read_params(route.template, &segments) else { continue };
        if route.method == call.method.as_str() {
            return Match::Found(route, params);
        }
        methods.push(route.method);
    }
    if methods.is_empty() { Match::NoPath } else { Match::OtherMethods(methods) }
}

fn read_params(template: &'static str, segments: &[String]) -> Option<Params> {
    let template: Vec<&'static str> = template.trim_start_matches('/').split('/').collect();
    if template.len() != segments.len() {
        return None;
    }
    let mut params = Params::default();
    for (pattern, segment) in template.into_iter().zip(segments) {
        match pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => params.0.push((name, segment.clone())),
            None if pattern == segment => {}
            _ => return None,
        }
    }
    Some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(template: &'static str, path: &str) -> Option<Params> {
        let segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        read_params(template, &segments)
    }

    #[test]
    fn a_brace_takes_exactly_one_segment() {
        assert_eq!(params("/v1/sims/{sim_id}", "/v1/sims/42").unwrap().get("sim_id"), "42");
        assert!(params("/v1/sims/{sim_id}", "/v1/sims/").is_none());
        assert!(params("/v1/sims/{sim_id}", "/v1/sims/42/tags").is_none());
    }

    #[test]
    fn a_trailing_slash_is_another_path() {
        assert!(params("/v1/sims", "/v1/sims").is_some());
        assert!(params("/v1/sims", "/v1/sims/").is_none());
    }
}
