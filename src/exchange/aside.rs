use super::{Realms, Rendered, SendError};
use crate::port::{Response, World};

/// The address of such a request as it may be shown.
pub fn shown_aside(rendered: &Rendered, segment: Option<&str>) -> String {
    let shown = rendered.shown_address();
    let Some(segment) = segment else { return shown };
    let (path, query) = shown.split_at(shown.find('?').unwrap_or(shown.len()));
    format!("{}/{segment}{query}", path.trim_end_matches('/'))
}

/// Sends a request that is no part of a run's work and has no place in its report. Follows no redirect. `segment` is put
/// behind the path of its address, which may be wherever requests without a provider may go: encrypted, or on this machine.
///
/// # Errors
/// [`SendError`], when there is no whole answer.
pub async fn send_aside(
    world: &World,
    rendered: &Rendered,
    segment: Option<&str>,
) -> Result<Response, SendError> {
    let unknown = || SendError::Refused("a part of the address is not known".to_owned());
    let mut request = rendered.to_request().ok_or_else(unknown)?;
    if let (Some(segment), Ok(mut path)) = (segment, request.url.path_segments_mut()) {
        path.pop_if_empty().push(segment);
    }
    Realms::default().of(Some(&request.url)).check(&request.url).map_err(SendError::Refused)?;
    Ok(world.transport.send(&request).await?)
}
