//! The tenants, and their names in addresses.

/// A tenant of the emulator.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EmulatedTenant {
    /// The tenant ID.
    pub(super) id: &'static str,
    /// The verified domain; for personal accounts an alias.
    pub(super) domain: &'static str,
    /// The value that discovery reports as `tenant_region_scope`.
    pub(super) region: Option<&'static str>,
}

/// The tenant in which the app is registered.
pub(super) static CONTOSO: EmulatedTenant = EmulatedTenant {
    id: "aaaabbbb-0000-cccc-1111-dddd2222eeee",
    domain: "contoso.example",
    region: Some("EU"),
};
/// Another tenant, besides the app's own.
pub(super) static FABRIKAM: EmulatedTenant = EmulatedTenant {
    id: "bbbbcccc-1111-dddd-2222-eeee3333ffff",
    domain: "fabrikam.example",
    region: Some("NA"),
};
/// A tenant that has not been set up yet.
pub(super) static NORTHWIND: EmulatedTenant = EmulatedTenant {
    id: "ccccdddd-2222-eeee-3333-ffff4444aaaa",
    domain: "northwind.example",
    region: Some("EU"),
};
/// Microsoft's tenant for all personal accounts.
pub(super) static PERSONAL: EmulatedTenant = EmulatedTenant {
    id: "9188040d-6c67-4c5b-b112-36a304b66dad",
    domain: "consumers",
    region: None,
};

/// The tenant that an address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TenantAddress {
    /// One tenant, named with its GUID or its domain.
    One(&'static EmulatedTenant),
    /// Any tenant with work accounts; the issuer is a template.
    Organizations,
    /// Any tenant at all; the issuer is a template.
    Common,
    /// Personal accounts, named with their alias; the issuer is literal.
    Consumers,
}

impl TenantAddress {
    /// Parses the first segment of a path; returns `None` for an unknown tenant.
    pub(super) fn read(segment: &str) -> Option<Self> {
        let segment = segment.to_ascii_lowercase();
        match segment.as_str() {
            "common" => Some(Self::Common),
            "organizations" => Some(Self::Organizations),
            "consumers" => Some(Self::Consumers),
            _ => [&CONTOSO, &FABRIKAM, &NORTHWIND, &PERSONAL]
                .into_iter()
                .find(|it| segment == it.id || segment == it.domain)
                .map(Self::One),
        }
    }

    /// Returns the tenant at the start of a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        path.strip_prefix('/').and_then(|it| it.split('/').next()).and_then(Self::read)
    }

    /// Returns the segment for addresses: the GUID also if the request named a domain, otherwise
    /// the alias.
    pub(super) fn segment(self) -> &'static str {
        match self {
            Self::One(home) => home.id,
            Self::Organizations => "organizations",
            Self::Common => "common",
            Self::Consumers => "consumers",
        }
    }

    /// Returns the single tenant that the address stands for.
    pub(super) fn home(self) -> Option<&'static EmulatedTenant> {
        match self {
            Self::One(home) => Some(home),
            Self::Consumers => Some(&PERSONAL),
            Self::Organizations | Self::Common => None,
        }
    }
}

/// Returns the issuer of version 1.0 tokens, with a trailing slash. The emulator's host replaces
/// `sts.windows.net`, like all other hosts.
pub(super) fn first_issuer(authority: &str, home: Option<&EmulatedTenant>) -> String {
    format!("{}/{}/", authority, home.map_or("{tenantid}", |it| it.id))
}

/// Returns whether a segment can be the name of a tenant.
pub(super) fn is_plausible(segment: &str) -> bool {
    is_guid(segment) || segment.contains('.')
}

/// Returns whether a text has the form of a GUID.
pub(super) fn is_guid(text: &str) -> bool {
    let parts = text.split('-').map(str::len);
    parts.eq([8, 4, 4, 4, 12]) && text.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit())
}
