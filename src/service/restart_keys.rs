//! Keys of the configuration that a reload does not apply.

use crate::config::Config;
use crate::config::session::StoreConfig;

/// The changed keys that take effect only after a restart.
pub(super) fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let (before, after) = (&old.session, &new.session);
    let changed = [
        ("server.listen", old.server.listen != new.server.listen),
        ("server.admin_listen", old.server.admin_listen != new.server.admin_listen),
        ("server.reuse_port", old.server.reuse_port != new.server.reuse_port),
        ("server.proxy_protocol", old.server.proxy_protocol != new.server.proxy_protocol),
        ("server.limits", old.server.limits != new.server.limits),
        ("server.tls", (&old.server.tls, old.server.hsts) != (&new.server.tls, new.server.hsts)),
        ("server.shutdown_delay", old.server.shutdown_delay != new.server.shutdown_delay),
        ("server.shutdown_grace", old.server.shutdown_grace != new.server.shutdown_grace),
        ("session.idle", before.idle != after.idle),
        ("session.lifetime", before.lifetime != after.lifetime),
        ("session.capacity", before.capacity != after.capacity),
        ("session.per_person", before.per_person != after.per_person),
        ("session.store", store_of(old) != store_of(new)),
        ("session.store_grace", before.store_grace != after.store_grace),
        ("session.snapshot", before.snapshot != after.snapshot),
        ("session.snapshot_interval", before.snapshot_interval != after.snapshot_interval),
        ("directory", directory_of(old) != directory_of(new)),
        ("telemetry", old.telemetry != new.telemetry),
    ];
    changed
        .into_iter()
        .filter(|it| it.1)
        .map(|it| format!("{} changed; restart entrada to apply it", it.0))
        .collect()
}

/// `session.store` and its server as text, for comparison only; it is never shown.
fn store_of(config: &Config) -> (String, Vec<&str>) {
    let secrets = match &config.session.store {
        StoreConfig::Redis(redis) => redis.secrets().collect(),
        StoreConfig::Memory | StoreConfig::Cookie => Vec::new(),
    };
    (format!("{:?}", config.session.store), secrets)
}

/// `[directory]` and every `[[organization]]` as text, for comparison only; it is never shown.
fn directory_of(config: &Config) -> Option<(String, Vec<&str>)> {
    let directory = config.directory.as_ref()?;
    Some((format!("{directory:?}"), directory.secrets().collect()))
}
