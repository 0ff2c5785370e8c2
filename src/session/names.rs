//! Which credentials and session values the templates of a sign-in request name.

use crate::document::{AuthRequest, Part, Send, Tree};
use crate::template::Template;

/// All templates of a sign-in request.
pub fn of_request(request: &AuthRequest) -> Vec<&Template> {
    let keys = &request.request;
    let trees = keys.query.iter().chain(keys.form.iter().flat_map(|form| form.iter()));
    let parts = keys.multipart.iter().flat_map(|parts| parts.iter()).flat_map(|(_, part)| match part {
        Part::Value(template) => vec![template],
        Part::File(file) => std::iter::once(&file.file).chain(&file.media_type).collect(),
    });
    keys.verbs()
        .map(|(_, path)| path)
        .chain(trees.flat_map(|(_, tree)| tree.templates()))
        .chain(keys.json.iter().flat_map(Tree::templates))
        .chain(keys.headers.iter().chain(keys.cookies.iter()).map(|(_, template)| template))
        .chain(parts)
        .chain(keys.text.iter().chain(&keys.file))
        .collect()
}

/// All templates of a `send`.
pub fn of_send(send: &Send) -> Vec<&Template> {
    let named = send.headers.iter().chain(send.query.iter()).chain(send.cookies.iter());
    let named = named.map(|(_, template)| template);
    named.chain(send.json.iter().flat_map(|(_, tree)| tree.templates())).collect()
}

/// The second names of all chains that begin with `root`: of `credentials.password` with the root `credentials` it is
/// `password`. Each once.
pub fn below<'t>(root: &str, templates: impl IntoIterator<Item = &'t Template>) -> Vec<String> {
    let mut names = Vec::new();
    for expression in templates.into_iter().flat_map(Template::expressions) {
        for reference in expression.references().iter().filter(|reference| reference.name(0) == Some(root)) {
            if let Some(name) = reference.name(1).filter(|name| !names.iter().any(|known| known == name)) {
                names.push(name.to_owned());
            }
        }
    }
    names
}
