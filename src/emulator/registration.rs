//! Apps that are registered besides the first one.

use super::tenants::Tenant;
use super::world::World;

/// An app registration in one tenant, with the one client secret it has. All of it is pretend.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Directory (tenant) ID, a GUID.
    pub tenant: String,
    /// Application (client) ID, a GUID.
    pub client_id: String,
    /// The Value of the client secret.
    pub client_secret: String,
    /// The Secret ID, which stands beside the Value in the admin center and opens nothing.
    pub secret_id: String,
}

/// The client of that id at that tenant, as it is written where it is registered: the first app is known to every tenant.
pub(super) fn client_at<'a>(world: &'a World, tenant: Tenant, id: &str) -> Option<Client<'a>> {
    if id.eq_ignore_ascii_case(&world.client_id) {
        return Some(Client { id: &world.client_id, secret: &world.client_secret });
    }
    let home = tenant.home()?.id;
    let found = world.registrations.iter().find(|it| id.eq_ignore_ascii_case(&it.client_id) && it.tenant == home);
    found.map(|it| Client { id: &it.client_id, secret: &it.client_secret })
}

/// A client that is known.
pub(super) struct Client<'a> {
    pub(super) id: &'a str,
    pub(super) secret: &'a str,
}
